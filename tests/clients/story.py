"""Drives Sluice with the official OpenAI client for Python, as an application would.

Usage: story.py BASE_URL API_KEY BLOCKED_TEXT. Prints one line for each thing that held; the first
that does not hold ends it with a traceback.
"""

import asyncio
import sys

import openai
from openai import AsyncOpenAI, OpenAI

CARD = "4111 1111 1111 1111"


def done(what):
    print(f"ok {what}", flush=True)


def messages(text):
    return [{"role": "user", "content": text}]


def chat(client):
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages("Hello there"))
    assert answer.object == "chat.completion", answer
    assert answer.choices[0].message.role == "assistant"
    assert len(answer.choices[0].message.content) > 20
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens > 0
    done("chat")

    raw = client.chat.completions.with_raw_response.create(
        model="mock-echo-body", messages=messages(f"My card is {CARD}.")
    )
    sent = raw.parse().choices[0].message.content
    assert CARD not in sent and "payment_card" in sent, sent
    assert raw.headers["x-sluice-verdict"] == "redact", raw.headers
    assert raw.headers["x-sluice-findings"] == "payment_card=1", raw.headers
    assert raw.headers["x-sluice-record"] and raw.headers["x-request-id"]
    done("chat, redacted")


def chat_stream(client):
    stream = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=messages("Count"),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert len(chunks) > 10 and len(text) > 20, len(chunks)
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens > 0
    done("chat, streamed")

    # A client that leaves in the middle takes nothing with it.
    with client.chat.completions.create(
        model="gpt-4o-mini", messages=messages("Count"), stream=True
    ) as stream:
        next(iter(stream))
    assert client.models.list().data
    done("chat, stream left")


def completions(client):
    answer = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once upon a time")
    assert answer.object == "text_completion" and len(answer.choices[0].text) > 20, answer
    chunks = list(
        client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once", stream=True)
    )
    assert len("".join(c.choices[0].text for c in chunks if c.choices)) > 20
    done("completions")


def embeddings(client):
    # The client asks for base64 unless it is told otherwise.
    packed = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert [e.index for e in packed.data] == [0, 1]
    assert all(isinstance(value, float) for value in packed.data[0].embedding)
    floats = client.embeddings.create(
        model="text-embedding-3-small", input="one", encoding_format="float", dimensions=8
    )
    assert len(floats.data[0].embedding) == 8
    done("embeddings")


def models(client):
    names = [model.id for model in client.models.list()]
    assert "mock" in names and "mock-embedding" in names, names
    assert client.models.retrieve("mock").id == "mock"
    try:
        client.models.retrieve("no-such-model")
        raise AssertionError("a model that is not there was found")
    except openai.NotFoundError as error:
        assert error.code == "model_not_found", error
    done("models")


def tools(client):
    answer = client.chat.completions.create(
        model="mock-echo-body",
        messages=[
            {"role": "user", "content": "What is the weather?"},
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city": "Bern"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": f"Sunny. Card on file: {CARD}"},
        ],
        tools=[
            {
                "type": "function",
                "function": {
                    "name": "weather",
                    "description": "Tells the weather",
                    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
                },
            }
        ],
        temperature=0.25,
        extra_body={"a_field_of_tomorrow": {"kept": True}},
    )
    sent = answer.choices[0].message.content
    assert CARD not in sent and '"a_field_of_tomorrow":' in sent.replace(" ", ""), sent
    done("tools")


def errors(client, base_url, blocked):
    try:
        client.chat.completions.create(model="gpt-4o-mini", messages=messages(blocked))
        raise AssertionError("a blocked text passed")
    except openai.PermissionDeniedError as error:
        assert error.status_code == 403 and error.code == "blocked_by_policy", error
        assert error.type == "policy_violation", error
        assert error.param == "messages[0].content", error.param
        assert error.response.headers["x-should-retry"] == "false"
        assert error.response.headers["x-sluice-verdict"] == "block"
    done("error, blocked")

    try:
        OpenAI(base_url=base_url, api_key="slk_wrong").models.list()
        raise AssertionError("a wrong key passed")
    except openai.AuthenticationError as error:
        assert error.code == "invalid_api_key", error
    done("error, wrong key")

    try:
        client.chat.completions.create(model="gpt-4o-mini", messages="no list")
        raise AssertionError("a bad body passed")
    except openai.BadRequestError as error:
        assert error.param == "messages", error
    done("error, bad body")

    try:
        client.with_options(max_retries=0).chat.completions.create(
            model="mock-status-429", messages=messages("Hi")
        )
        raise AssertionError("the upstream's refusal was lost")
    except openai.RateLimitError:
        done("error, upstream 429")


async def concurrently(base_url, key):
    async with AsyncOpenAI(base_url=base_url, api_key=key) as client:
        calls = [
            client.chat.completions.create(model="mock-echo-body", messages=messages(f"number {n}."))
            for n in range(50)
        ]
        answers = await asyncio.gather(*calls)
    for n, answer in enumerate(answers):
        assert f"number {n}." in answer.choices[0].message.content
    done("many at once")


def main():
    base_url, key, blocked = sys.argv[1:]
    client = OpenAI(base_url=base_url, api_key=key, max_retries=0)
    chat(client)
    chat_stream(client)
    completions(client)
    embeddings(client)
    models(client)
    tools(client)
    errors(client, base_url, blocked)
    asyncio.run(concurrently(base_url, key))
    done(f"openai {openai.__version__}")


main()
