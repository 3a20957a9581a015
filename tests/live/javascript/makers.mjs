// Asks a gateway by the clients of the makers, `openai` and `@anthropic-ai/sdk`. `node makers.mjs URL` prints the rows of
// a table as JSON.
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import assert from "node:assert/strict";
import OpenAI from "openai";
import { ANSWER, ARGUMENTS, PNG, RESULT, SCHEMA, THOUGHT, tell, url } from "./scene.mjs";

const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "unused", maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: url, apiKey: "unused", maxRetries: 0 });
const IMAGE = `data:image/png;base64,${PNG}`;
const TWICE = [ARGUMENTS, ARGUMENTS];

const user = (content) => [{ role: "user", content }];
const read = (calls) => calls.map(JSON.parse);

async function fails(asked, kind) {
  const error = await asked.then(() => null, (failed) => failed);
  assert.ok(error instanceof kind, String(error));
  assert.match(error.message, /prompt is too long/);
  return error;
}

// From a stream an answer is as the client's own helper adds it up.
async function chat(model, stream, messages, more = {}) {
  const given = { model, messages, ...more };
  if (!stream) return (await openai.chat.completions.create(given)).choices[0].message;
  return await openai.chat.completions.stream(given).finalMessage();
}

const CHAT_TOOL = { type: "function", function: { name: "weather", parameters: SCHEMA } };
const CHAT = {
  async text(model, stream) {
    const said = await chat(model, stream, user("hello"), { temperature: 0.5, max_tokens: 50 });
    assert.equal(said.content, ANSWER);
  },
  async image(model, stream) {
    const parts = [{ type: "text", text: "[[sim-echo]] look" }, { type: "image_url", image_url: { url: IMAGE } }];
    assert.equal((await chat(model, stream, user(parts))).content, "look");
  },
  async tools(model, stream) {
    const messages = user("[[sim-tools]]"), more = { tools: [CHAT_TOOL], parallel_tool_calls: true };
    const said = await chat(model, stream, messages, more);
    assert.deepEqual(read(said.tool_calls.map((call) => call.function.arguments)), TWICE);
    messages.push(said);
    for (const call of said.tool_calls) messages.push({ role: "tool", tool_call_id: call.id, content: RESULT });
    assert.equal((await chat(model, stream, messages, more)).content, ANSWER);
  },
  async structured(model, stream) {
    const form = { type: "json_schema", json_schema: { name: "place", schema: SCHEMA, strict: true } };
    const said = await chat(model, stream, user("[[sim-json]]"), { response_format: form });
    assert.deepEqual(JSON.parse(said.content), ARGUMENTS);
  },
  async reasoning(model, stream) {
    const given = { model, messages: user("[[sim-reasoning]]"), reasoning_effort: "low", stream };
    const said = await openai.chat.completions.create(given);
    if (!stream) return assert.equal(said.choices[0].message.reasoning_content, THOUGHT);
    const pieces = []; // its helper keeps the last one only
    for await (const { choices: [choice] } of said) pieces.push(choice?.delta.reasoning_content ?? "");
    assert.equal(pieces.join(""), THOUGHT);
  },
  async "next turn"(model, stream) {
    const messages = user("[[sim-reasoning]]");
    messages.push(await chat(model, stream, messages), ...user("[[sim-recall]] and then?"));
    assert.match((await chat(model, stream, messages)).content, /and then\?/);
  },
  async error(model, stream) {
    const error = await fails(chat(model, stream, user("[[sim-context-overflow]]")), OpenAI.BadRequestError);
    assert.equal(error.code, "context_length_exceeded");
  },
};

async function respond(model, stream, input, more = {}) {
  const given = { model, input, ...more };
  return await (stream ? openai.responses.stream(given).finalResponse() : openai.responses.create(given));
}

const RESPONSES_TOOL = { type: "function", name: "weather", parameters: SCHEMA, strict: true };
const RESPONSES = {
  async text(model, stream) {
    const said = await respond(model, stream, "hello", { instructions: "Be brief.", max_output_tokens: 50 });
    assert.deepEqual([said.output_text, said.status], [ANSWER, "completed"]);
    assert.ok(said.usage.output_tokens > 0);
  },
  async image(model, stream) {
    const parts = [{ type: "input_text", text: "[[sim-echo]] look" }, { type: "input_image", image_url: IMAGE, detail: "auto" }];
    assert.equal((await respond(model, stream, user(parts))).output_text, "look");
  },
  async tools(model, stream) {
    const input = user("[[sim-tools]]"), more = { tools: [RESPONSES_TOOL] };
    const calls = (await respond(model, stream, input, more)).output.filter((item) => item.type === "function_call");
    assert.deepEqual(read(calls.map((call) => call.arguments)), TWICE);
    for (const { call_id, name, arguments: said } of calls) input.push({ type: "function_call", call_id, name, arguments: said });
    for (const { call_id } of calls) input.push({ type: "function_call_output", call_id, output: RESULT });
    assert.equal((await respond(model, stream, input, more)).output_text, ANSWER);
  },
  async structured(model, stream) {
    const text = { format: { type: "json_schema", name: "place", schema: SCHEMA, strict: true } };
    assert.deepEqual(JSON.parse((await respond(model, stream, "[[sim-json]]", { text })).output_text), ARGUMENTS);
  },
  async reasoning(model, stream) {
    const said = await respond(model, stream, "[[sim-reasoning]]", { reasoning: { effort: "low", summary: "auto" } });
    assert.equal(said.output_text, ANSWER);
    assert.equal(said.output.find((item) => item.type === "reasoning").summary[0].text, THOUGHT);
  },
  async "next turn"(model, stream) {
    const input = user("[[sim-reasoning]]"), more = { include: ["reasoning.encrypted_content"], store: false };
    const { output } = await respond(model, stream, input, more);
    input.push(...JSON.parse(JSON.stringify(output, (name, value) => (name === "parsed" ? undefined : value))));
    input.push(...user("[[sim-recall]] and then?"));
    assert.match((await respond(model, stream, input, more)).output_text, /and then\?/);
  },
  async error(model, stream) {
    const error = await fails(respond(model, stream, "[[sim-context-overflow]]"), OpenAI.APIError);
    assert.equal(error.code, "context_length_exceeded");
  },
};

async function message(model, stream, messages, more = {}) {
  const given = { model, messages, max_tokens: 500, ...more };
  return await (stream ? anthropic.messages.stream(given).finalMessage() : anthropic.messages.create(given));
}

const MESSAGES_TOOL = { name: "weather", input_schema: SCHEMA };
const ADAPTIVE = { thinking: { type: "adaptive" } };
const MESSAGES = {
  async text(model, stream) {
    const said = await message(model, stream, user("hello"), { system: "Be brief." });
    assert.deepEqual(said.content.map(({ type, text }) => [type, text]), [["text", ANSWER]]);
    assert.equal(said.stop_reason, "end_turn");
    assert.ok(said.usage.output_tokens > 0);
  },
  async image(model, stream) {
    const source = { type: "base64", media_type: "image/png", data: PNG };
    const parts = [{ type: "text", text: "[[sim-echo]] look" }, { type: "image", source }];
    assert.equal((await message(model, stream, user(parts))).content[0].text, "look");
  },
  async tools(model, stream) {
    const messages = user("[[sim-tools]]"), more = { tools: [MESSAGES_TOOL] };
    const said = await message(model, stream, messages, more);
    const calls = said.content.filter((block) => block.type === "tool_use");
    assert.deepEqual([calls.map((call) => call.input), said.stop_reason], [TWICE, "tool_use"]);
    messages.push({ role: "assistant", content: said.content });
    messages.push(...user(calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: RESULT }))));
    assert.equal((await message(model, stream, messages, more)).content[0].text, ANSWER);
    // By its own tool runner, which asks the provider to keep the conversation.
    const run = async (given) => (heard.push(given), RESULT), heard = [];
    const tools = [betaTool({ name: "weather", description: "The weather.", inputSchema: SCHEMA, run })];
    const running = anthropic.beta.messages.toolRunner({ model, max_tokens: 500, tools, messages: user("[[sim-tools]]"), stream });
    assert.equal((await running.runUntilDone()).content[0].text, ANSWER);
    assert.deepEqual(heard, TWICE);
  },
  async structured(model, stream) {
    const more = { output_config: { format: { type: "json_schema", schema: SCHEMA } } };
    const said = await message(model, stream, user("[[sim-json]]"), more);
    assert.deepEqual(JSON.parse(said.content[0].text), ARGUMENTS);
  },
  async reasoning(model, stream) {
    const said = await message(model, stream, user("[[sim-reasoning]]"), ADAPTIVE);
    assert.deepEqual(said.content.map(({ type, thinking }) => [type, thinking]), [["thinking", THOUGHT], ["text", undefined]]);
  },
  async "next turn"(model, stream) {
    const messages = user("[[sim-reasoning]]");
    const { content } = await message(model, stream, messages, ADAPTIVE);
    messages.push({ role: "assistant", content }, ...user("[[sim-recall]] and then?"));
    assert.match((await message(model, stream, messages, ADAPTIVE)).content[0].text, /and then\?/);
  },
  async error(model, stream) {
    await fails(message(model, stream, user("[[sim-context-overflow]]")), Anthropic.BadRequestError);
  },
};

await tell([["openai", "chat", CHAT], ["openai", "responses", RESPONSES], ["@anthropic-ai/sdk", "messages", MESSAGES]]);
