import { render } from "preact";
import { App } from "./app.tsx";
import { forgetHoldings } from "./live/holdings.ts";
import { forgetListings } from "./live/listings.ts";
import { followSession } from "./live/live.ts";
import { forgetOperator } from "./live/operator.ts";
import { applyTheme } from "./parts/theme.ts";

applyTheme();
followSession(() => {
  forgetHoldings();
  forgetListings();
  forgetOperator();
});
render(<App />, document.getElementById("app")!);
