/**
 * A language that the page's libraries can use.
 *
 * WebKitGTK calls the locale C.UTF-8 the language "C", which Intl refuses; a chart that asks for the
 * browser's language would take the page down.
 */
export function mendLanguage(at: Pick<Navigator, "language">): void {
  if (isKnown(at.language)) return;
  Object.defineProperty(at, "language", { value: "en-US", configurable: true });
}

function isKnown(language: string): boolean {
  try {
    return Intl.getCanonicalLocales(language).length > 0;
  } catch {
    return false;
  }
}
