import type { ComponentChildren } from "preact";
import { chooseEdge, keepSession, session } from "../api/session.ts";
import { ago, localTime } from "../format/age.ts";
import { contactStatus, type Status } from "../format/status.ts";
import { clock } from "../live/clock.ts";
import { edge, edgeCommands, edges, heardAt, isOperator, type Link, link, refusal } from "../live/live.ts";
import { to } from "../route.ts";
import { ReportedAge } from "./age.tsx";
import { BrandMark } from "./brand-mark.tsx";
import { Confirm } from "./confirm.tsx";
import { Icon, type IconName } from "./icons.tsx";
import { Notices, reasonOf } from "./notices.tsx";
import { StatusMark } from "./status-mark.tsx";
import { nextTheme, theme } from "./theme.ts";

const NAV: [IconName, string][] = [
  ["overview", "Overview"],
  ["commands", "Commands"],
  ["pods", "Pods"],
  ["images", "Images"],
  ["files", "Files"],
  ["timeline", "Timeline"],
];

const LINKS: Record<Link, Status> = {
  connecting: { level: "standby", word: "Connecting" },
  live: { level: "normal", word: "Live" },
  polling: { level: "normal", word: "Live" },
  cut: { level: "serious", word: "Connection cut" },
};

export function Shell({ screen, children }: { screen: string; children: ComponentChildren }) {
  return (
    <div class="shell">
      <header class="top">
        <a class="brand" href={to("overview")} aria-label="Perigee, to the overview">
          <BrandMark size={22} />
          <span>Perigee</span>
        </a>
        <EdgeChoice />
        <Clocks />
        <div class="top-end">
          <LinkState />
          <button
            type="button"
            class="icon-button"
            onClick={nextTheme}
            aria-label={`Theme: ${theme.value}. Change it`}
            title={`Theme: ${theme.value}`}
          >
            <Icon name={theme.value === "light" ? "sun" : theme.value === "dark" ? "moon" : "system"} />
          </button>
          <span class="user muted">{session.value?.user}</span>
          <button
            type="button"
            class="icon-button"
            onClick={() => keepSession(undefined)}
            aria-label="Log out"
            title="Log out"
          >
            <Icon name="exit" />
          </button>
        </div>
      </header>
      <Navigation screen={screen} />
      <div class="stage">
        <CutBanner />
        {children}
      </div>
      <Notices />
      <Confirm />
    </div>
  );
}

function Navigation({ screen }: { screen: string }) {
  const open = edgeCommands.value.filter(({ state }) => state === "queued" || state === "running").length;
  const counts: Record<string, number> = { commands: open };
  const screens: typeof NAV = isOperator.value ? [...NAV, ["operator", "Operator"]] : NAV;
  return (
    <nav class="nav" aria-label="Screens">
      {screens.map(([name, word]) => (
        <a key={name} href={to(name)} aria-current={name === screen ? "page" : undefined}>
          <Icon name={name} />
          <span>{word}</span>
          {counts[name] ? (
            <span class="count" title="under way">
              {counts[name]}
              <span class="visually-hidden"> under way</span>
            </span>
          ) : null}
        </a>
      ))}
      <a class="nav-end" href="/docs" target="_blank" rel="noreferrer">
        API reference
      </a>
    </nav>
  );
}

function EdgeChoice() {
  const now = edge.value;
  return (
    <div class="edge-choice">
      <select
        aria-label="Edge"
        value={now?.edge ?? ""}
        onChange={(event) => chooseEdge(event.currentTarget.value)}
        disabled={edges.value.length < 2}
      >
        {edges.value.length === 0 && <option value="">no edge</option>}
        {edges.value.map(({ edge: name }) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      {now && (
        <>
          <StatusMark status={contactStatus(now.contact)} />
          <span class="muted heard">
            heard <ReportedAge seconds={now.contact.age} />
          </span>
        </>
      )}
    </div>
  );
}

function Clocks() {
  const now = new Date(clock.value);
  return (
    <div class="clocks num">
      <span>
        {now.toISOString().slice(11, 19)} <abbr title="Coordinated Universal Time">UTC</abbr>
      </span>
      <span class="muted">{localTime(clock.value)} local</span>
    </div>
  );
}

function LinkState() {
  return (
    <span class="link-state" role="status">
      <StatusMark status={LINKS[link.value]} busy={link.value === "live"} />
    </span>
  );
}

/** What stands below is old: since when, and that it heals by itself. */
function CutBanner() {
  if (link.value !== "cut") return null;
  const heard = heardAt.value;
  return (
    <div class="banner" role="alert">
      {refusal.value ? (
        <p>{reasonOf(refusal.value)}</p>
      ) : (
        <p>
          The ground does not answer. What you see is{" "}
          {heard === undefined ? "nothing yet" : `as it was ${ago((clock.value - heard) / 1000)}`}; it is
          tried again by itself.
        </p>
      )}
    </div>
  );
}
