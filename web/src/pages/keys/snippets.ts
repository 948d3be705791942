/**
 * How programs use this very colony: for this page's own address and a model that it has. Pure.
 *
 * A key never stands in a snippet: they read it from the environment, where it belongs.
 */

export interface Place {
  /** `http://localhost:7833`, without a slash at its end. */
  origin: string;
  model: string;
  /** Whether a key is wanted. */
  locked: boolean;
}

export interface Snippet {
  id: string;
  title: string;
  /** What to install or where to put it. */
  note: string;
  code: string;
}

const KEY = "RBEE_API_KEY";

export function snippets(place: Place): Snippet[] {
  return [
    curl(place),
    python(place),
    javascript(place),
    anthropic(place),
    openWebUi(place),
    editors(place),
    environment(place),
  ];
}

function curl({ origin, model, locked }: Place): Snippet {
  const ca = secure(origin) ? " --cacert colony-ca.pem" : "";
  const key = locked ? ` \\\n  -H "Authorization: Bearer $${KEY}"` : "";
  const body = `{
    "model": ${quoted(model)},
    "messages": [{"role": "user", "content": "Say hello."}],
    "stream": true
  }`;
  return {
    id: "curl",
    title: "curl",
    note: "In a shell; the answer comes as it is written.",
    code: `curl -N${ca} ${origin}/v1/chat/completions${key} \\\n  -H "Content-Type: application/json" \\\n  -d '${body.replaceAll("'", "'\\''")}'`,
  };
}

function python({ origin, model, locked }: Place): Snippet {
  return {
    id: "python",
    title: "Python",
    note: "pip install openai",
    code: `${locked ? "import os\n\n" : ""}from openai import OpenAI

client = OpenAI(
    base_url=${quoted(`${origin}/v1`)},
    api_key=${locked ? `os.environ["${KEY}"]` : `"none"`},${locked ? "" : "  # no key is wanted here; the library wants one"}
)

stream = client.chat.completions.create(
    model=${quoted(model)},
    messages=[{"role": "user", "content": "Say hello."}],
    stream=True,
)
for event in stream:
    print(event.choices[0].delta.content or "", end="", flush=True)`,
  };
}

function javascript({ origin, model, locked }: Place): Snippet {
  return {
    id: "javascript",
    title: "JavaScript",
    note: "npm install openai",
    code: `import OpenAI from "openai";

const client = new OpenAI({
  baseURL: ${quoted(`${origin}/v1`)},
  apiKey: ${locked ? `process.env.${KEY}` : `"none", // no key is wanted here; the library wants one`}${locked ? "," : ""}
});

const stream = await client.chat.completions.create({
  model: ${quoted(model)},
  messages: [{ role: "user", content: "Say hello." }],
  stream: true,
});
for await (const event of stream) {
  process.stdout.write(event.choices[0]?.delta?.content ?? "");
}`,
  };
}

function anthropic({ origin, model, locked }: Place): Snippet {
  return {
    id: "anthropic",
    title: "Anthropic SDK",
    note: "pip install anthropic · its address is the queen's own, without /v1",
    code: `${locked ? "import os\n\n" : ""}from anthropic import Anthropic

client = Anthropic(
    base_url=${quoted(origin)},
    api_key=${locked ? `os.environ["${KEY}"]` : `"none"`},
)

with client.messages.stream(
    model=${quoted(model)},
    max_tokens=200,
    messages=[{"role": "user", "content": "Say hello."}],
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)`,
  };
}

function openWebUi({ origin, locked }: Place): Snippet {
  const url = reachable(origin);
  return {
    id: "open-webui",
    title: "Open WebUI",
    note: "As a container beside the colony. In a running one: Admin settings → Connections → OpenAI API.",
    code: `docker run -d -p 3000:8080 \\
  --add-host=host.docker.internal:host-gateway \\
  -e OPENAI_API_BASE_URL=${url}/v1 \\
  -e OPENAI_API_KEY=${locked ? `"$${KEY}"` : "none"} \\
  -e ENABLE_OLLAMA_API=false \\
  -v open-webui:/app/backend/data \\
  --name open-webui ghcr.io/open-webui/open-webui:main`,
  };
}

function editors({ origin, model, locked }: Place): Snippet {
  return {
    id: "editors",
    title: "VS Code",
    note: "Continue: ~/.continue/config.yaml. Cline, Roo and others: provider “OpenAI compatible”, with the same three values.",
    code: `name: rbee
version: 0.0.1
schema: v1
models:
  - name: ${quoted(model)}
    provider: openai
    model: ${quoted(model)}
    apiBase: ${origin}/v1
    apiKey: ${locked ? `\${{ secrets.${KEY} }}` : "none"}
    roles: [chat, edit, apply]`,
  };
}

function environment({ origin, model, locked }: Place): Snippet {
  const key = locked ? `"$${KEY}"` : "none";
  const ca = secure(origin)
    ? "export SSL_CERT_FILE=$PWD/colony-ca.pem NODE_EXTRA_CA_CERTS=$PWD/colony-ca.pem\n"
    : "";
  return {
    id: "environment",
    title: "Anything else",
    note: "What most tools and libraries read.",
    code: `${ca}export OPENAI_BASE_URL=${origin}/v1
export OPENAI_API_KEY=${key}
export ANTHROPIC_BASE_URL=${origin}
export ANTHROPIC_AUTH_TOKEN=${key}
export MODEL=${shellQuoted(model)}`,
  };
}

/** How a machine gets the certificate that the colony signs its own with. */
export function trustCommand(origin: string): string {
  return `curl -sk ${origin}/v1/hive/ca | python3 -c 'import json,sys; print(json.load(sys.stdin)["certificate"])' > colony-ca.pem`;
}

export function secure(origin: string): boolean {
  return origin.startsWith("https:");
}

/** From inside a container this machine has another name. */
function reachable(origin: string): string {
  return origin.replace(/\/\/(localhost|127\.0\.0\.1|\[::1\])(?=[:/]|$)/, "//host.docker.internal");
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

function shellQuoted(text: string): string {
  return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
