import type { ComponentType } from "preact";
import { CommandsScreen } from "./commands.tsx";
import { ErrorsScreen } from "./errors.tsx";
import { FilesScreen } from "./files.tsx";
import { ImagesScreen } from "./images.tsx";
import { OperatorScreen } from "./operator.tsx";
import { PodsScreen } from "./pods.tsx";
import { TimelineScreen } from "./timeline.tsx";

/** All screens but the overview: a script of its own, which the first look at a page does not wait for. */
export const REST: Record<string, ComponentType> = {
  commands: CommandsScreen,
  pods: PodsScreen,
  images: ImagesScreen,
  files: FilesScreen,
  timeline: TimelineScreen,
  operator: OperatorScreen,
  errors: ErrorsScreen,
};
