// What every Node driver shares: calls come in by standard input, results leave as JSON lines.
// The first line says which cells of the matrix the client has a way for, and why not the others.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

export const CHAT = "gpt-4o";
export const EMBEDDING = "text-embedding-3-small";
export const TEXT = "gpt-3.5-turbo-instruct";
export const SAID = "Look facts up.";

export const SCHEMA = {
  type: "object",
  properties: { question: { type: "string" }, number: { type: "integer" } },
  required: ["question", "number"],
  additionalProperties: false,
};

const answers = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr); // what libraries print

function tell(value) {
  answers(JSON.stringify(value) + "\n");
}

export function versionOf(name) {
  return JSON.parse(readFileSync(`${import.meta.dirname}/node_modules/${name}/package.json`)).version;
}

export async function all(stream) {
  return await Array.fromAsync(stream);
}

// A call is {cell, root, key, question}; a use of the client gives back what its user gets.
export async function serve(version, can, cannot = {}) {
  tell({ version, can: Object.keys(can), cannot });
  for await (const line of createInterface({ input: process.stdin })) {
    const call = JSON.parse(line);
    try {
      tell({ result: (await can[call.cell]({ ...call, url: `${call.root}/v1` })) ?? null });
    } catch (error) {
      tell({ error: `${error.stack ?? error} ${error.cause ?? ""}` });
    }
  }
}
