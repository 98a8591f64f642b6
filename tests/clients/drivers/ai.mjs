// The Vercel AI SDK with its provider for OpenAI.

import { createOpenAI } from "@ai-sdk/openai";
import { completions, embeddings, generative } from "./ai_uses.mjs";
import { CHAT, EMBEDDING, TEXT, serve, versionOf } from "./driver.mjs";

const provider = (call) => createOpenAI({ baseURL: call.url, apiKey: call.key });
const unstored = () => ({ providerOptions: { openai: { store: false } } });

await serve(versionOf("ai"), {
  ...generative("chat", (c) => provider(c).chat(CHAT)),
  ...generative("responses", (c) => provider(c)(CHAT), unstored),
  ...completions((c) => provider(c).completion(TEXT)),
  ...embeddings((c) => provider(c).embedding(EMBEDDING)),
});
