// The official SDK for Node against a running proxy; needs `npm install openai`.
//
//     node examples/node.mjs [http://127.0.0.1:8080/v1]

import OpenAI from 'openai'

const client = new OpenAI({ baseURL: process.argv[2] ?? 'http://127.0.0.1:8080/v1' })
const model = 'gpt-4o-mini'

for (const content of ['What is a semantic cache?', "What's a semantic cache?"]) {
  const asked = { model, messages: [{ role: 'user', content }] }
  const { data, response } = await client.chat.completions.create(asked).withResponse()
  const from = response.headers.get('x-cache-tier') ?? '-'
  console.log(response.headers.get('x-cache'), from, data.choices[0].message.content)
}

const messages = [{ role: 'user', content: 'What is a cache?' }]
for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? '')
}
process.stdout.write('\n')
