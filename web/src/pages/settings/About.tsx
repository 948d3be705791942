/** What is this browser's own (the theme), and what this server is. */
import { useQuery } from "@tanstack/react-query";

import { api, call, useSession } from "@/api";
import { setTheme, type ThemeWish, useTheme } from "@/app/theme";
import { Card, Copyable, Facts, Segmented, Time } from "@/ui";

export function ThisBrowser() {
  const wish = useTheme((state) => state.wish);
  const { name, signedIn, expiresAt } = useSession();
  return (
    <Card title="This browser" note="kept here alone">
      <Facts
        items={[
          [
            "Theme",
            <Segmented<ThemeWish>
              key="theme"
              label="Theme"
              value={wish}
              onChange={setTheme}
              options={[
                { value: "system", label: "System" },
                { value: "light", label: "Light" },
                { value: "dark", label: "Dark" },
              ]}
            />,
          ],
          ["Signed in as", signedIn ? name : `${name} (no key is wanted here)`],
          ...(signedIn && expiresAt !== null
            ? ([["Until", <Time key="until" at={expiresAt} mode="clock" />]] as [string, React.ReactNode][])
            : []),
        ]}
      />
    </Card>
  );
}

export function About() {
  const info = useQuery({ queryKey: ["info"], queryFn: () => call(api.GET("/v1/info")) });
  const found = info.data;
  return (
    <Card title="About">
      <Facts
        items={[
          ["Version", found ? `rbee ${found.version}` : "–"],
          ["Address", found ? <Copyable key="url" text={found.base_url} /> : "–"],
          ["Running for", <Time key="since" at={found?.started_at} mode="since" />],
          [
            "API",
            <a key="api" className="text-accent-text underline" href="/openapi.json">
              openapi.json
            </a>,
          ],
          [
            "Licences",
            <a key="licences" className="text-accent-text underline" href="/licences.txt">
              rbee is Apache-2.0; what it stands on
            </a>,
          ],
        ]}
      />
    </Card>
  );
}
