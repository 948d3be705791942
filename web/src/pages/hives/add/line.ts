/** The line that is pasted on a new machine, and how its time is told. Pure. */

export type Shell = "sh" | "powershell";

const PLAIN = /^[A-Za-z0-9._:/@-]+$/;

function word(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", "")}'`;
}

/** Joins, then starts the hive; a hive that runs already takes the new queen up by itself. */
export function joinLine(url: string, line: { token: string; name: string }, shell: Shell): string {
  const name = line.name ? ` --hive-id ${word(line.name)}` : "";
  const join = `rbee hive join ${word(url)} --token ${line.token}${name}`;
  // Windows' own PowerShell knows no `&&`.
  return shell === "powershell" ? `${join}; if ($?) { rbee hive start }` : `${join} && rbee hive start`;
}

/** "59:07", "6 d 23 h": what is left. */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.ceil(seconds));
  if (s >= 86_400) return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
  const pad = (n: number) => String(n).padStart(2, "0");
  const hours = Math.floor(s / 3600);
  const rest = `${pad(Math.floor((s % 3600) / 60))}:${pad(s % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

/** The address without its scheme, for a list. */
export function hostOf(url: string): string {
  return url.replace(/^https?:\/\//, "");
}
