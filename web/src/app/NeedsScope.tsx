/**
 * In place of a page whose every figure this key may not see: which scope is missing, what the key
 * can do instead, and how one gets in with another. A page that waited for figures would wait for ever.
 */
import { Link } from "@tanstack/react-router";
import { Lock } from "lucide-react";

import { signOut, useSession } from "@/api";
import { Button, buttonClass, Empty, PageBody, PageHeader } from "@/ui";

export function NeedsScope({ title, scope }: { title: string; scope: string }) {
  const name = useSession((session) => session.name);
  const scopes = useSession((session) => session.scopes);
  return (
    <PageBody>
      <PageHeader title={title} />
      <Empty
        className="py-16"
        icon={<Lock aria-hidden />}
        title={`This page wants the scope “${scope}”`}
        text={`The key ${name} has ${scopes.map((one) => `“${one}”`).join(", ")} alone. An operator makes one that may look: \`rbee keys create NAME --scopes ${[...scopes, scope].join(",")}\`.`}
        action={
          <div className="flex flex-wrap justify-center gap-2">
            {scopes.includes("inference") ? (
              <Link to="/chat" className={buttonClass("primary")}>
                Open the chat
              </Link>
            ) : null}
            <Button onClick={() => void signOut()}>Sign in with another key</Button>
          </div>
        }
      />
    </PageBody>
  );
}
