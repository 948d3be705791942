/** The browser tab's title: progress of a download first, then the page, then the name of the thing. */
import { useEffect } from "react";

let page = "";
let progress = "";

function write(): void {
  document.title = [progress, page, "rbee"].filter(Boolean).join(" · ");
}

/** Names the tab after the page, as long as it shows. */
export function usePageTitle(title: string): void {
  useEffect(() => {
    page = title;
    write();
    return () => {
      page = "";
    };
  }, [title]);
}

/** Puts a progress before the page's name ("↓ 42 %"), or takes it away with "". */
export function setTitleProgress(text: string): void {
  if (text === progress) return;
  progress = text;
  write();
}
