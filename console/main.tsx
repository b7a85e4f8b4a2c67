// first of all, so that the ground answers while the rest is made ready
import "./ask-ahead.ts";
import { render } from "preact";
import { session } from "./api/session.ts";
import { App } from "./app.tsx";
import { forgetOtherEdges } from "./live/all-edges.ts";
import { firstAnswer } from "./live/first-answer.ts";
import { forgetHoldings } from "./live/holdings.ts";
import { forgetListings } from "./live/listings.ts";
import { followSession } from "./live/live.ts";
import { forgetOperator } from "./live/operator.ts";
import { findFonts } from "./parts/find-fonts.ts";
import { loadRest } from "./parts/rest-of-screens.ts";
import { keptTheme } from "./parts/theme.ts";
import { route } from "./route.ts";

followSession(() => {
  forgetHoldings();
  forgetListings();
  forgetOperator();
  forgetOtherEdges();
});
keptTheme();
const show = () => render(<App />, document.getElementById("app")!);
if (session.value === undefined) show();
else {
  if (route.value.screen !== "overview") loadRest();
  findFonts();
  void firstAnswer().then(show);
}
