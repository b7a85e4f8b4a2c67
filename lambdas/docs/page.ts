import { html, raw } from "hono/html";

/** As much of OpenAPI 3.1 as the page shows. */
type Schema = {
  $ref?: string;
  type?: string | string[];
  description?: string;
  example?: unknown;
  enum?: unknown[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
};
type Media = { schema?: Schema; example?: unknown; examples?: Record<string, { value?: unknown }> };
type Parameter = { name: string; in: string; required?: boolean; description?: string; schema?: Schema };
type Operation = {
  tags?: string[];
  summary?: string;
  description?: string;
  security?: unknown[];
  parameters?: Parameter[];
  requestBody?: { content?: Record<string, Media> };
  responses?: Record<string, { description?: string; content?: Record<string, Media> }>;
};
type Document = {
  info: { title: string; version: string; description?: string };
  paths?: Record<string, Record<string, unknown>>;
  components?: { schemas?: Record<string, unknown> };
};
type Html = ReturnType<typeof html>;

const METHODS = ["get", "post", "put", "patch", "delete"];

/** The reference page, made from the OpenAPI document: no script, nothing fetched from elsewhere. */
export function docsPage(document: object): Html {
  const { info, paths = {}, components } = document as Document;
  const schemas = (components?.schemas ?? {}) as Record<string, Schema>;
  const groups = new Map<string, { method: string; path: string; operation: Operation }[]>();
  for (const [path, item] of Object.entries(paths)) {
    for (const method of METHODS) {
      const operation = item[method] as Operation | undefined;
      if (!operation) continue;
      const tag = operation.tags?.[0] ?? "Other";
      groups.set(tag, [...(groups.get(tag) ?? []), { method, path, operation }]);
    }
  }
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${info.title} API</title><style>${raw(STYLE)}</style></head><body>
<nav><h1>${info.title}</h1><p class="small">${info.version} · <a href="/openapi.json">openapi.json</a></p>
${[...groups].map(
  ([tag, all]) =>
    html`<h2>${tag}</h2><ul>${all.map(
      ({ method, path }) =>
        html`<li><a href="#${anchor(method, path)}"><b class="${method}">${method}</b> ${path}</a></li>`,
    )}</ul>`,
)}</nav>
<main><p class="lead">${info.description}</p>
${[...groups].map(
  ([tag, all]) => html`<h2>${tag}</h2>${all.map((entry) => operationHtml(entry, schemas))}`,
)}</main></body></html>`;
}

function operationHtml(
  { method, path, operation }: { method: string; path: string; operation: Operation },
  schemas: Record<string, Schema>,
): Html {
  const { parameters = [], requestBody, responses = {} } = operation;
  return html`<section id="${anchor(method, path)}">
<h3><b class="${method}">${method.toUpperCase()}</b> <code>${path}</code></h3>
<p>${operation.summary}</p>${operation.description ? html`<p>${operation.description}</p>` : ""}
<p class="small">${operation.security?.length ? "Needs a bearer token." : "Needs no token."}</p>
${
  parameters.length > 0
    ? table(
        "Parameters",
        parameters.map((p) => [
          `${p.name}${p.required ? " *" : ""}`,
          p.in,
          p.description ?? p.schema?.description,
        ]),
      )
    : ""
}
${Object.entries(requestBody?.content ?? {})
  .slice(0, 1)
  .map(([, media]) => {
    const schema = resolve(media.schema, schemas);
    const names = Object.keys(requestBody?.content ?? {}).join(", ");
    return table(
      `Body: ${names}`,
      Object.entries(schema?.properties ?? {}).map(([name, of]) => [
        `${name}${schema?.required?.includes(name) ? " *" : ""}`,
        typeName(resolve(of, schemas)),
        of.description,
      ]),
    );
  })}
${Object.entries(responses).map(([status, response]) => {
  const media = Object.values(response.content ?? {})[0];
  const example = media?.example ?? Object.values(media?.examples ?? {})[0]?.value;
  const shown = example ?? (media?.schema && sample(media.schema, schemas, 0));
  return html`<details ${status === "200" ? raw("open") : ""}><summary><b class="s${status[0]}">${status}</b> ${response.description}</summary>
${shown === undefined ? "" : html`<pre>${typeof shown === "string" ? shown : JSON.stringify(shown, null, 2)}</pre>`}</details>`;
})}
</section>`;
}

function table(title: string, rows: (string | undefined)[][]): Html {
  return html`<h4>${title}</h4><table>${rows.map(
    ([name, kind, text]) => html`<tr><td><code>${name}</code></td><td>${kind}</td><td>${text}</td></tr>`,
  )}</table>`;
}

function anchor(method: string, path: string): string {
  return `${method}${path.replace(/[^a-z0-9]+/gi, "-")}`;
}

function resolve(schema: Schema | undefined, schemas: Record<string, Schema>): Schema | undefined {
  if (!schema?.$ref) return schema;
  return schemas[schema.$ref.split("/").at(-1) ?? ""];
}

function typeName(schema: Schema | undefined): string {
  if (schema?.enum) return schema.enum.join(" | ");
  const type = schema?.type ?? "any";
  return Array.isArray(type) ? type.join(" | ") : type;
}

/** An example value made from a schema: its examples where it has them, else its types. */
function sample(of: Schema, schemas: Record<string, Schema>, depth: number): unknown {
  const schema = resolve(of, schemas);
  if (!schema || depth > 6) return "…";
  if (schema.example !== undefined) return schema.example;
  const one = schema.oneOf?.[0] ?? schema.anyOf?.[0] ?? schema.allOf?.[0];
  if (one) return sample(one, schemas, depth + 1);
  if (schema.enum) return schema.enum[0];
  if (schema.properties) {
    return Object.fromEntries(
      Object.entries(schema.properties).map(([name, value]) => [name, sample(value, schemas, depth + 1)]),
    );
  }
  if (schema.items) return [sample(schema.items, schemas, depth + 1)];
  return typeName(schema);
}

const STYLE = `
:root{color-scheme:light dark;--line:#8884;--soft:#8881}
body{margin:0;display:flex;font:15px/1.5 system-ui,sans-serif}
nav{position:sticky;top:0;height:100vh;overflow:auto;min-width:19rem;padding:1rem;box-sizing:border-box;border-right:1px solid var(--line)}
nav h1{margin:0}nav h2{font-size:.9rem;margin:1rem 0 .2rem}nav ul{list-style:none;margin:0;padding:0}
nav a{text-decoration:none;color:inherit;font-size:.85rem}nav b{display:inline-block;width:3.2rem;font-size:.7rem;text-transform:uppercase}
main{padding:1rem 2rem;max-width:60rem;min-width:0}section{border-top:1px solid var(--line);padding:.5rem 0 1.5rem}
code,pre{font-family:ui-monospace,monospace;font-size:.85rem}pre{background:var(--soft);padding:.6rem;overflow:auto}
table{border-collapse:collapse}td{border-bottom:1px solid var(--line);padding:.2rem .8rem .2rem 0;vertical-align:top}
h4{margin:.8rem 0 .2rem}.small{font-size:.8rem;opacity:.7}summary{cursor:pointer}
.get,.s2{color:#1a7f37}.post{color:#0969da}.put{color:#9a6700}.delete,.s5{color:#cf222e}.s4{color:#bc4c00}
@media(max-width:50rem){body{display:block}nav{position:static;height:auto;border:0}}
`;
