import { useEffect, useRef } from "preact/hooks";
import { session } from "./api/session.ts";
import { Shell } from "./parts/shell.tsx";
import { route } from "./route.ts";
import { CommandsScreen } from "./screens/commands.tsx";
import { ErrorsScreen } from "./screens/errors.tsx";
import { FilesScreen } from "./screens/files.tsx";
import { ImagesScreen } from "./screens/images.tsx";
import { LogIn } from "./screens/log-in.tsx";
import { OperatorScreen } from "./screens/operator.tsx";
import { Overview } from "./screens/overview.tsx";
import { PodsScreen } from "./screens/pods.tsx";
import { TimelineScreen } from "./screens/timeline.tsx";

const SCREENS = {
  overview: { title: "Overview", Screen: Overview },
  commands: { title: "Commands", Screen: CommandsScreen },
  pods: { title: "Pods", Screen: PodsScreen },
  images: { title: "Images", Screen: ImagesScreen },
  files: { title: "Files", Screen: FilesScreen },
  timeline: { title: "Timeline", Screen: TimelineScreen },
  operator: { title: "Operator", Screen: OperatorScreen },
  errors: { title: "Errors", Screen: ErrorsScreen },
};

export function App() {
  const { screen } = route.value;
  const { title, Screen } = SCREENS[screen as keyof typeof SCREENS] ?? SCREENS.overview;
  const main = useRef<HTMLElement>(null);
  const loggedIn = session.value !== undefined;
  const first = useRef(true);
  // whoever goes on by keyboard or hears the page is at its beginning
  useEffect(() => {
    document.title = loggedIn ? `${title} · Perigee` : "Log in · Perigee";
    if (!first.current) main.current?.focus();
    first.current = false;
  }, [title, loggedIn]);
  if (!loggedIn) return <LogIn />;
  return (
    <Shell screen={screen in SCREENS ? screen : "overview"}>
      <main ref={main} tabIndex={-1} aria-label={title} class="screen">
        <Screen />
      </main>
    </Shell>
  );
}
