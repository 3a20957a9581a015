// What every client asks of a gateway, and what the simulated provider answers, as in tests/clients/asking/scene.py.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export const [url] = process.argv.slice(2);
export const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const ANSWER = "All is well here, says the simulated provider.";
export const THOUGHT = "The question is short. So is the answer.";
export const ARGUMENTS = { city: "simulated" };
export const RESULT = "rain";
export const SCHEMA = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

const PROVIDERS = ["chat", "responses", "messages"];
const FEATURES = ["text", "image", "tools", "structured", "reasoning", "next turn", "error"];
const versions = JSON.parse(readFileSync(new URL("package.json", import.meta.url))).dependencies;

// Ask everything, whole and streamed, before a provider of each dialect, and print the rows of a table as JSON. What is
// asked is a function of the provider and of whether it is streamed; a text says why a client cannot be asked that.
export async function tell(ways) {
  const rows = [];
  for (const [client, route, asks] of ways) {
    assert.deepEqual(Object.keys(asks), FEATURES);
    const row = [client, versions[client], route];
    for (const [feature, ask] of Object.entries(asks)) {
      const failed = [];
      if (typeof ask === "function")
        for (const provider of PROVIDERS)
          for (const stream of [false, true])
            await ask(provider, stream).catch((error) => {
              failed.push(`${provider}${stream ? " streamed" : ""}`);
              console.error(client, route, feature, provider, stream, error);
            });
      row.push(failed.length ? `no: ${failed.join(", ")}` : typeof ask === "function" ? "yes" : ask);
    }
    rows.push(row);
  }
  console.log(JSON.stringify(rows));
}
