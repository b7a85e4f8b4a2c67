import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { route } from "../route.ts";

/**
 * Whoever goes on by keyboard or hears the page is where the address leads: in the detail that was opened, at the
 * beginning of another screen, or back where the detail was opened once it is closed.
 * @param where changes with what is shown as a whole
 */
export function useLedFocus(main: RefObject<HTMLElement | null>, where: string): void {
  const before = useRef<string | undefined>(undefined);
  const opener = useRef<HTMLElement | undefined>(undefined);
  const path = route.value.rest.join("/");
  useEffect(() => {
    const isFirst = before.current === undefined;
    const elsewhere = before.current !== where;
    before.current = where;
    const page = main.current;
    if (isFirst || !page) return;
    const detail = page.querySelector<HTMLElement>(".detail");
    const focused = document.activeElement as HTMLElement | null;
    if (elsewhere) opener.current = undefined;
    if (detail) {
      if (detail.contains(focused)) return;
      if (!elsewhere && focused && page.contains(focused)) opener.current = focused;
      detail.tabIndex = -1;
      detail.focus();
    } else if (elsewhere) page.focus();
    // it has gone with the detail
    else if (focused === document.body) (opener.current?.isConnected ? opener.current : page).focus();
  }, [where, path]);
}
