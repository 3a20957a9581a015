// Asks a gateway by the Vercel AI SDK. `node ai_sdk.mjs URL` prints the rows of a table as JSON.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, Output, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import assert from "node:assert/strict";
import { ANSWER, ARGUMENTS, PNG, RESULT, SCHEMA, THOUGHT, tell, url } from "./scene.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;
const FORM = jsonSchema(SCHEMA);
const known = { baseURL: `${url}/v1`, apiKey: "unused" };
const openai = createOpenAI(known);
const anthropic = createAnthropic(known);
const compatible = createOpenAICompatible({
  ...known, name: "lanes", supportsStructuredOutputs: true, includeUsage: true,
});

// What each package is asked for besides: OpenAI's refers to what was said before by the ids of stored answers, unless
// told not to store any.
const WAYS = [
  ["@ai-sdk/openai", "chat", (name) => openai.chat(name), {}],
  ["@ai-sdk/openai", "responses", (name) => openai.responses(name), { openai: { store: false, reasoningSummary: "auto", forceReasoning: true } }],
  ["@ai-sdk/anthropic", "messages", (name) => anthropic(name), { anthropic: { thinking: { type: "adaptive" }, structuredOutputMode: "outputFormat" } }],
  ["@ai-sdk/openai-compatible", "chat", (name) => compatible(name), {}],
];

// The parts of an answer that a caller reads, from a stream once it has ended.
async function asked(stream, given) {
  const settings = { maxRetries: 0, ...given };
  if (!stream) return await generateText(settings);
  const errors = [];
  const made = streamText({ ...settings, onError: ({ error }) => errors.push(error) });
  await made.consumeStream();
  if (errors.length) throw errors[0];
  const names = ["text", "reasoningText", "steps", "usage", "response", ...(given.output ? ["output"] : [])];
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await made[name]])));
}

const user = (content) => [{ role: "user", content }];

const FEATURES = {
  async text(model, stream) {
    const said = await asked(stream, { model, system: "Be brief.", prompt: "hello", maxOutputTokens: 50 });
    assert.equal(said.text, ANSWER);
    assert.ok(said.usage.outputTokens > 0);
  },
  async image(model, stream) {
    const image = { type: "image", image: Buffer.from(PNG, "base64"), mediaType: "image/png" };
    const messages = user([{ type: "text", text: "[[sim-echo]] look" }, image]);
    assert.equal((await asked(stream, { model, messages })).text, "look");
  },
  async tools(model, stream) {
    const heard = [];
    const weather = tool({
      description: "The weather of a city.", inputSchema: FORM, execute: (given) => (heard.push(given), RESULT),
    });
    const more = { tools: { weather }, stopWhen: stepCountIs(3) };
    const said = await asked(stream, { model, prompt: "[[sim-tools]]", ...more });
    assert.deepEqual(heard, [ARGUMENTS, ARGUMENTS]);
    assert.equal(said.steps.length, 2);
    assert.equal(said.text, ANSWER);
  },
  async structured(model, stream, providerOptions) {
    const output = Output.object({ schema: FORM });
    const said = await asked(stream, { model, prompt: "[[sim-json]]", output, providerOptions });
    assert.deepEqual(said.output, ARGUMENTS);
  },
  async reasoning(model, stream, providerOptions) {
    const said = await asked(stream, { model, prompt: "[[sim-reasoning]]", providerOptions });
    assert.equal(said.text, ANSWER);
    assert.equal(said.reasoningText, THOUGHT);
  },
  async "next turn"(model, stream, providerOptions) {
    const messages = user("[[sim-reasoning]]");
    const said = await asked(stream, { model, messages, providerOptions });
    messages.push(...said.response.messages, ...user("[[sim-recall]] and then?"));
    assert.match((await asked(stream, { model, messages, providerOptions })).text, /and then\?/);
  },
  async error(model, stream) {
    const failed = await asked(stream, { model, prompt: "[[sim-context-overflow]]" }).then(() => null, (error) => error);
    assert.ok(APICallError.isInstance(failed), String(failed));
    assert.equal(failed.statusCode, 400);
    assert.match(failed.message, /prompt is too long/);
  },
};
// Its package for OpenAI shows no thoughts of chat completions.
const HIDDEN = { "@ai-sdk/openai chat": { reasoning: "not shown by it" } };

await tell(WAYS.map(([name, route, model, options]) => {
  const asks = Object.entries(FEATURES).map(([feature, ask]) => [
    feature, (provider, stream) => ask(model(provider), stream, options),
  ]);
  return [name, route, { ...Object.fromEntries(asks), ...HIDDEN[`${name} ${route}`] }];
}));
