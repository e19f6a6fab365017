// Drives Sluice with the official OpenAI client for Node, as an application would.
//
// Usage: story.mjs BASE_URL API_KEY BLOCKED_TEXT. Prints one line for each thing that held; the
// first that does not hold ends it with a stack trace.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { VERSION } from "openai/version";

const [baseURL, apiKey, blocked] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const CARD = "4111 1111 1111 1111";
const done = (what) => console.log(`ok ${what}`);
const messages = (content) => [{ role: "user", content }];

async function chat() {
  const answer = await client.chat.completions.create({
    model: "gpt-4o-mini",
    messages: messages("Hello there"),
  });
  assert.equal(answer.object, "chat.completion");
  assert.ok(answer.choices[0].message.content.length > 20);
  assert.ok(answer.usage.total_tokens > 0);
  done("chat");

  const { data, response } = await client.chat.completions
    .create({ model: "mock-echo-body", messages: messages(`My card is ${CARD}.`) })
    .withResponse();
  const sent = data.choices[0].message.content;
  assert.ok(!sent.includes(CARD) && sent.includes("payment_card"), sent);
  assert.equal(response.headers.get("x-sluice-verdict"), "redact");
  assert.equal(response.headers.get("x-sluice-findings"), "payment_card=1");
  done("chat, redacted");
}

async function chatStream() {
  const stream = await client.chat.completions.create({
    model: "gpt-4o-mini",
    messages: messages("Count"),
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "";
  let last;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    last = chunk;
  }
  assert.ok(text.length > 20);
  assert.ok(last.usage.total_tokens > 0);
  done("chat, streamed");

  const left = await client.chat.completions.create({
    model: "gpt-4o-mini",
    messages: messages("Count"),
    stream: true,
  });
  for await (const chunk of left) {
    assert.ok(chunk);
    break;
  }
  done("chat, stream left");
}

async function completions() {
  const answer = await client.completions.create({
    model: "gpt-3.5-turbo-instruct",
    prompt: "Once upon a time",
  });
  assert.ok(answer.choices[0].text.length > 20);
  done("completions");
}

async function embeddings() {
  const packed = await client.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two"] });
  assert.deepEqual(
    packed.data.map((entry) => entry.index),
    [0, 1],
  );
  assert.equal(typeof packed.data[0].embedding[0], "number");
  const floats = await client.embeddings.create({
    model: "text-embedding-3-small",
    input: "one",
    encoding_format: "float",
    dimensions: 8,
  });
  assert.equal(floats.data[0].embedding.length, 8);
  done("embeddings");
}

async function models() {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.ok(names.includes("mock") && names.includes("mock-embedding"), names.join());
  assert.equal((await client.models.retrieve("mock")).id, "mock");
  done("models");
}

async function errors() {
  await assert.rejects(
    client.chat.completions.create({ model: "gpt-4o-mini", messages: messages(blocked) }),
    (error) =>
      error instanceof OpenAI.PermissionDeniedError &&
      error.status === 403 &&
      error.code === "blocked_by_policy" &&
      error.type === "policy_violation" &&
      error.param === "messages[0].content",
  );
  done("error, blocked");
  await assert.rejects(
    new OpenAI({ baseURL, apiKey: "slk_wrong" }).models.list(),
    (error) => error instanceof OpenAI.AuthenticationError && error.code === "invalid_api_key",
  );
  done("error, wrong key");
  await assert.rejects(
    client.chat.completions.create({ model: "mock-status-429", messages: messages("Hi") }),
    OpenAI.RateLimitError,
  );
  done("error, upstream 429");
}

async function concurrently() {
  const calls = Array.from({ length: 50 }, (_, n) =>
    client.chat.completions.create({
      model: "mock-echo-body",
      messages: messages(`number ${n}.`),
    }),
  );
  const answers = await Promise.all(calls);
  answers.forEach((answer, n) => {
    assert.ok(answer.choices[0].message.content.includes(`number ${n}.`));
  });
  done("many at once");
}

await chat();
await chatStream();
await completions();
await embeddings();
await models();
await errors();
await concurrently();
done(`openai ${VERSION}`);
