import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { route } from "../route.ts";

/**
 * Whoever goes on by keyboard or hears the page is where the address leads: in the detail that was opened, at the
 * beginning of another screen, or on the way to the detail once it is closed.
 * @param where changes with what is shown as a whole
 */
export function useLedFocus(main: RefObject<HTMLElement | null>, where: string): void {
  const before = useRef<string | undefined>(undefined);
  const opened = useRef<string | undefined>(undefined);
  const path = route.value.rest.join("/");
  useEffect(() => {
    const isFirst = before.current === undefined;
    const elsewhere = before.current !== where;
    before.current = where;
    const page = main.current;
    if (!page) return;
    const detail = page.querySelector<HTMLElement>(".detail");
    const closed = opened.current;
    opened.current = detail ? location.hash : undefined;
    if (isFirst) return;
    if (detail) {
      if (detail.contains(document.activeElement)) return;
      detail.tabIndex = -1;
      detail.focus();
    } else if (elsewhere) page.focus();
    // it has gone with the detail
    else if (document.activeElement === document.body) (linkTo(page, closed) ?? page).focus();
  }, [where, path]);
}

/** By its address: what was its element may be another row's now. */
function linkTo(page: HTMLElement, address = ""): HTMLElement | null {
  return page.querySelector<HTMLElement>(`a[href="${CSS.escape(address)}"]`);
}
