import { useEffect, useRef } from "preact/hooks";
import { session } from "./api/session.ts";
import { titleOf } from "./format/titles.ts";
import { edge } from "./live/live.ts";
import { Empty } from "./parts/empty.tsx";
import { useLedFocus } from "./parts/led-focus.ts";
import { loadRest, loadRestWhenIdle, rest } from "./parts/rest-of-screens.ts";
import { Shell } from "./parts/shell.tsx";
import { route } from "./route.ts";
import { LogIn } from "./screens/log-in.tsx";
import { Overview } from "./screens/overview.tsx";

export function App() {
  const { screen, title } = titleOf(route.value.screen);
  const main = useRef<HTMLElement>(null);
  const loggedIn = session.value !== undefined;
  useEffect(() => {
    document.title = loggedIn ? `${title} · Perigee` : "Log in · Perigee";
  }, [title, loggedIn]);
  useLedFocus(main, loggedIn ? title : "");
  // whoever has seen the first screen may open another one
  const seen = edge.value !== undefined;
  useEffect(() => {
    if (seen) loadRestWhenIdle();
  }, [seen]);
  if (!loggedIn) return <LogIn />;
  return (
    <Shell screen={screen}>
      <main ref={main} tabIndex={-1} aria-label={title} class="screen">
        {/* also where a detail takes the place of the list */}
        <h1 class="visually-hidden">{title}</h1>
        {screen === "overview" ? <Overview /> : <OtherScreen name={screen} />}
      </main>
    </Shell>
  );
}

function OtherScreen({ name }: { name: string }) {
  const { screens, failed } = rest.value;
  const Screen = screens?.[name];
  useEffect(loadRest, []);
  if (Screen) return <Screen />;
  if (failed === undefined)
    return (
      <p class="muted" role="status">
        Loading this screen…
      </p>
    );
  return (
    <div role="alert">
      <Empty icon="search" title="This screen could not be loaded">
        <p class="pad">{failed}</p>
        <button type="button" class="button" onClick={() => location.reload()}>
          Load the page anew
        </button>
      </Empty>
    </div>
  );
}
