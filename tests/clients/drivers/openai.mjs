// The official client for Node.

import OpenAI from "openai";
import { CHAT, EMBEDDING, SAID, SCHEMA, TEXT, all, serve, versionOf } from "./driver.mjs";

const client = (call) => new OpenAI({ baseURL: call.url, apiKey: call.key, maxRetries: 0 });

const asked = (call) => ({ model: CHAT, messages: [{ role: "user", content: call.question }] });
const fn = { name: "look_up", description: SAID, parameters: SCHEMA };
const tools = [{ type: "function", function: fn }];
const jsonSchema = { name: "Fact", strict: true, schema: SCHEMA };
const responseFormat = { type: "json_schema", json_schema: jsonSchema };

const wanted = (call) => ({ model: CHAT, input: call.question, store: false });
const flatTools = [{ type: "function", strict: true, ...fn }];
const text = { format: { type: "json_schema", ...jsonSchema } };

const completion = (call) => ({ model: TEXT, prompt: call.question });

function parsed(value) {
  if (typeof value?.number !== "number") throw new Error(`not parsed: ${JSON.stringify(value)}`);
}

await serve(versionOf("openai"), {
  "chat/plain": (c) => client(c).chat.completions.create(asked(c)),
  "chat/stream": async (c) =>
    all(await client(c).chat.completions.create({ ...asked(c), stream: true })),
  "chat/tools": (c) => client(c).chat.completions.create({ ...asked(c), tools }),
  "chat/tools stream": async (c) => {
    const stream = client(c).chat.completions.stream({ ...asked(c), tools });
    return [await all(stream), await stream.finalChatCompletion()];
  },
  "chat/structured": async (c) => {
    const got = await client(c).chat.completions.parse({
      ...asked(c),
      response_format: responseFormat,
    });
    parsed(JSON.parse(got.choices[0].message.content));
    return got;
  },
  "responses/plain": (c) => client(c).responses.create(wanted(c)),
  "responses/stream": async (c) =>
    all(await client(c).responses.create({ ...wanted(c), stream: true })),
  "responses/tools": (c) => client(c).responses.create({ ...wanted(c), tools: flatTools }),
  "responses/tools stream": async (c) => {
    const stream = client(c).responses.stream({ ...wanted(c), tools: flatTools });
    return [await all(stream), await stream.finalResponse()];
  },
  "responses/structured": async (c) => {
    const got = await client(c).responses.parse({ ...wanted(c), text });
    parsed(JSON.parse(got.output_text));
    return got;
  },
  "completions/plain": (c) => client(c).completions.create(completion(c)),
  "completions/stream": async (c) =>
    all(await client(c).completions.create({ ...completion(c), stream: true })),
  "embeddings/plain": (c) =>
    client(c).embeddings.create({ model: EMBEDDING, input: [c.question, "Another text."] }),
});
