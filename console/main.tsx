import { render } from "preact";
import { App } from "./app.tsx";
import { forgetListings } from "./live/listings.ts";
import { followSession } from "./live/live.ts";
import { forgetOperator } from "./live/operator.ts";
import { applyTheme } from "./parts/theme.ts";

applyTheme();
followSession(() => {
  forgetListings();
  forgetOperator();
});
render(<App />, document.getElementById("app")!);
