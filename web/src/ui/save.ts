/** Hands a text to the browser as a file to keep. */

/** The click only begins the download: the text must still be there then. */
const KEPT_MS = 10_000;

export function saveAs(name: string, text: string, type = "text/plain"): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
