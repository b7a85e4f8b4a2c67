import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "./icons.tsx";

/** Nothing to show, and what to do about it. */
export function Empty({
  icon,
  title,
  children,
}: {
  icon: IconName;
  title: string;
  children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <p class="empty-title">{title}</p>
      <div class="muted">{children}</div>
    </div>
  );
}
