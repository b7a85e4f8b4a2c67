import { useEffect, useRef } from "preact/hooks";
import { ERRORS } from "#protocol/errors.ts";
import { Icon } from "../parts/icons.tsx";
import { route } from "../route.ts";

const ALL = Object.entries(ERRORS).sort(([a], [b]) => (a < b ? -1 : 1));

/** What each error code means, from the list that the ground itself has. */
export function ErrorsScreen() {
  const [code] = route.value.rest;
  const named = useRef<HTMLTableRowElement>(null);
  useEffect(() => named.current?.scrollIntoView({ block: "center" }), [code]);
  return (
    <section class="panel" aria-labelledby="errors-title">
      <header class="panel-head">
        <h2 id="errors-title">Errors</h2>
        <span class="muted">A code stays the same for ever; its text may change.</span>
        <span class="spring" />
        <button type="button" class="button small" onClick={() => history.back()}>
          <Icon name="back" /> Back
        </button>
      </header>
      <div class="scroll-x">
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Code</th>
              <th scope="col">HTTP</th>
              <th scope="col">Meaning</th>
            </tr>
          </thead>
          <tbody>
            {ALL.map(([name, [status, meaning]]) => (
              <tr
                key={name}
                ref={name === code ? named : undefined}
                aria-current={name === code ? "true" : undefined}
              >
                <th scope="row">
                  <code>{name}</code>
                </th>
                <td class="num">{status}</td>
                <td>{meaning.replaceAll("`", "")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
