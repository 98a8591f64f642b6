// What the Vercel AI SDK does with a model, whichever provider's it is.

import { Output, embedMany, generateText, isStepCount, jsonSchema, streamText, tool } from "ai";
import { SAID, SCHEMA, all } from "./driver.mjs";

const tools = {
  look_up: tool({
    description: SAID,
    inputSchema: jsonSchema(SCHEMA),
    execute: ({ question, number }) => `${number}: ${question}`,
  }),
};
const stopWhen = isStepCount(3);

// A result without what it knows of times, ids and the reply's headers.
function shown({ text, toolCalls, toolResults, finishReason, usage, steps }) {
  const each = steps.map((step) => ({ text: step.text, toolCalls: step.toolCalls, usage: step.usage }));
  return { text, toolCalls, toolResults, finishReason, usage, steps: each };
}

async function streamed(result) {
  const parts = await all(result.fullStream);
  const failed = parts.find((part) => part.type === "error");
  if (failed) throw failed.error;
  return [
    parts.map((part) => [part.type, part.text ?? part.delta ?? null, part.input ?? null]),
    await result.text,
    await result.usage,
  ];
}

// The five features of an API; `model` and `more` say which, for a call.
export function generative(api, model, more = () => ({})) {
  const asked = (c) => ({ model: model(c), prompt: c.question, maxRetries: 0, ...more(c) });
  const output = Output.object({ schema: jsonSchema(SCHEMA) });
  return {
    [`${api}/plain`]: async (c) => shown(await generateText(asked(c))),
    [`${api}/stream`]: (c) => streamed(streamText(asked(c))),
    [`${api}/tools`]: async (c) => shown(await generateText({ ...asked(c), tools, stopWhen })),
    [`${api}/tools stream`]: (c) => streamed(streamText({ ...asked(c), tools, stopWhen })),
    [`${api}/structured`]: async (c) => {
      const got = await generateText({ ...asked(c), output });
      return [got.output, got.usage];
    },
  };
}

export function completions(model) {
  const asked = (c) => ({ model: model(c), prompt: c.question, maxRetries: 0 });
  return {
    "completions/plain": async (c) => shown(await generateText(asked(c))),
    "completions/stream": (c) => streamed(streamText(asked(c))),
  };
}

export function embeddings(model) {
  return {
    "embeddings/plain": async (c) => {
      const values = [c.question, "Another text."];
      const got = await embedMany({ model: model(c), values, maxRetries: 0 });
      return [got.embeddings, got.usage];
    },
  };
}
