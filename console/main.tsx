import { render } from "preact";
import { App } from "./app.tsx";
import { followSession } from "./live/live.ts";
import { applyTheme } from "./parts/theme.ts";

applyTheme();
followSession();
render(<App />, document.getElementById("app")!);
