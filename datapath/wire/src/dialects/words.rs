//! The words of the protocols themselves, which carry nothing and need no inspection.
//!
//! A key or value equal to one of these words is skipped, byte for byte; anything else is
//! inspected. The list holds literal words of the API schemas and of JSON Schema only, never a word
//! that could be an answer.

/// True where `text` is a literal word of a provider's protocol.
#[rustfmt::skip]
pub fn is_protocol_word(text: &[u8]) -> bool {
    match text.len() {
        0 => true,
        1 => matches!(text, b"n"),
        2 => matches!(text, b"id"),
        3 => matches!(text, b"url" | b"low"),
        4 => matches!(text,
            b"role" | b"type" | b"text" | b"user" | b"tool" | b"name" | b"stop" | b"file" | b"auto"
            | b"none" | b"data" | b"enum" | b"high" | b"seed" | b"mode" | b"echo" | b"list"),
        5 => matches!(text,
            b"model" | b"tools" | b"top_p" | b"items" | b"array" | b"title" | b"const" | b"anyOf"
            | b"allOf" | b"oneOf" | b"$defs" | b"index" | b"audio" | b"input" | b"float" | b"delta"
            | b"usage" | b"store" | b"token" | b"bytes" | b"stops" | b"top_k"),
        6 => matches!(text,
            b"stream" | b"system" | b"object" | b"string" | b"number" | b"strict" | b"format"
            | b"detail" | b"schema" | b"prompt" | b"suffix" | b"medium" | b"length" | b"base64"
            | b"effort" | b"custom"),
        7 => matches!(text,
            b"content" | b"message" | b"choices" | b"integer" | b"boolean" | b"default"
            | b"refusal" | b"created" | b"logprob" | b"best_of" | b"minimum" | b"maximum"
            | b"pattern" | b"minimal"),
        8 => matches!(text,
            b"messages" | b"function" | b"required" | b"metadata" | b"logprobs" | b"maxItems"
            | b"minItems"),
        9 => matches!(text,
            b"assistant" | b"developer" | b"arguments" | b"image_url" | b"file_data" | b"functions"
            | b"verbosity" | b"maxLength" | b"minLength" | b"embedding"),
        10 => matches!(text,
            b"properties" | b"parameters" | b"tool_calls" | b"max_tokens" | b"modalities"
            | b"dimensions" | b"logit_bias" | b"prediction"),
        11 => matches!(text,
            b"description" | b"temperature" | b"tool_choice" | b"input_audio" | b"json_object"
            | b"json_schema" | b"input_image"),
        12 => matches!(text, b"tool_call_id" | b"service_tier" | b"top_logprobs" | b"total_tokens"),
        13 => matches!(text, b"finish_reason" | b"function_call" | b"prompt_tokens"
            | b"include_usage" | b"cached_tokens"),
        14 => matches!(text, b"stream_options"),
        15 => matches!(text, b"response_format" | b"encoding_format" | b"chat.completion"
            | b"text_completion"),
        16 => matches!(text, b"presence_penalty" | b"reasoning_effort" | b"prompt_cache_key"
            | b"reasoning_tokens"),
        17 => matches!(text, b"frequency_penalty" | b"completion_tokens"),
        18 => matches!(text, b"system_fingerprint"),
        19 => matches!(text, b"parallel_tool_calls"),
        20 => matches!(text, b"additionalProperties"),
        21 => matches!(text, b"max_completion_tokens" | b"prompt_tokens_details"),
        25 => matches!(text, b"completion_tokens_details"),
        _ => false,
    }
}
