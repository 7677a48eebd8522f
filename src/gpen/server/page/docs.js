// Shows /openapi.json to people: each path with its parameters and answers.

/** @param {string} tag @param {(string | Node)[]} children */
function element(tag, ...children) {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

/** @param {string} title @param {[string, string][]} rows Each a name and what it means. */
function table(title, rows) {
  const body = rows.map(([name, text]) => {
    const head = element("th", element("code", name));
    head.scope = "row";
    return element("tr", head, element("td", text));
  });
  return rows.length ? [element("table", element("caption", title), element("tbody", ...body))] : [];
}

/** What a value may be. @param {any} schema */
function kindOf(schema) {
  if (!schema) return "";
  const kind = schema.enum?.join(", ") ?? schema.type ?? "";
  const ends = [schema.minimum, schema.maximum];
  const bounds = ends.some((end) => end !== undefined) ? ` from ${ends[0] ?? "−∞"} to ${ends[1] ?? "∞"}` : "";
  return kind + bounds + (schema.default === undefined ? "" : `; default ${schema.default}`);
}

/** An example of a schema, as JSON. @param {any} schema @param {any} api */
function exampleOf(schema, api) {
  if (schema?.$ref) return exampleOf(api.components.schemas[schema.$ref.split("/").pop()], api);
  if (schema?.examples) return schema.examples[0];
  if (schema?.anyOf) return exampleOf(schema.anyOf[0], api);
  if (schema?.type === "array") return [exampleOf(schema.items, api)];
  if (!schema?.properties) return schema?.default ?? schema?.type ?? null;
  const entries = Object.entries(schema.properties);
  return Object.fromEntries(entries.map(([name, one]) => [name, exampleOf(one, api)]));
}

/** @param {string} method @param {string} path @param {any} operation @param {any} api */
function show(method, path, operation, api) {
  const head = [element("b", method.toUpperCase()), element("code", path), ` ${operation.summary}`];
  const parameters = (operation.parameters ?? []).map((one) =>
    [one.name, [one.description, kindOf(one.schema)].filter(Boolean).join(" ")]);
  const answers = Object.entries(operation.responses).map(([status, one]) =>
    [status, [one.description, Object.keys(one.content ?? {}).join(", ")].filter(Boolean).join(": ")]);
  const good = operation.responses[200] ?? operation.responses[202];
  const schema = good?.content?.["application/json"]?.schema;
  const body = Object.keys(operation.requestBody?.content ?? {}).join(", ");
  return element("details", element("summary", ...head),
    element("p", operation.description ?? ""),
    ...(body ? [element("p", `Body: ${body}`)] : []),
    ...table("Parameters", parameters), ...table("Answers", answers),
    ...(schema?.$ref ? [element("pre", JSON.stringify(exampleOf(schema, api), null, 2))] : []));
}

const answer = await fetch("/openapi.json");
const api = await answer.json();
const paths = Object.entries(api.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => show(method, path, operation, api)));
document.getElementById("main")?.append(...paths);
