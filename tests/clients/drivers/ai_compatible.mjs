// The Vercel AI SDK with its provider for whatever is compatible with OpenAI.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { completions, embeddings, generative } from "./ai_uses.mjs";
import { CHAT, EMBEDDING, TEXT, serve, versionOf } from "./driver.mjs";

const provider = (call) =>
  createOpenAICompatible({
    name: "reprise",
    baseURL: call.url,
    apiKey: call.key,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });

await serve(
  versionOf("@ai-sdk/openai-compatible"),
  {
    ...generative("chat", (c) => provider(c).chatModel(CHAT)),
    ...completions((c) => provider(c).completionModel(TEXT)),
    ...embeddings((c) => provider(c).embeddingModel(EMBEDDING)),
  },
  { responses: "this provider speaks Chat Completions only" },
);
