"""A call in curl, Python, JavaScript, Go and Java: complete programs that run when pasted, the secret in a variable."""

from __future__ import annotations

import json
import pprint
import re
from collections.abc import Callable
from dataclasses import dataclass

from . import snippets_compiled
from .calls import Call
from .reference import is_json


@dataclass(frozen=True)
class Snippet:
    language: str
    slug: str  # for ids, and the name of the tab
    text: str


def snippets(call: Call) -> list[Snippet]:
    return [Snippet(name, re.sub(r"\W", "", name.lower()), write(call)) for name, write in LANGUAGES]


def curl(call: Call) -> str:
    method = {"GET": "", "HEAD": " --head"}.get(call.method, f" --request {call.method}")
    lines = [f"curl{method} {_shell(call.url)}"]
    if call.credential:
        c = call.credential
        lines.append(f'--header "{c.header}: {c.prefix}${c.variable}"')
    lines += [f"--header {_shell(f'{name}: {value}')}" for name, value in call.headers]
    lines += [
        f"--form {_shell(f'{_field(p.name)}=@{p.file}')}"
        if p.file
        else f"--form-string {_shell(f'{_field(p.name)}={p.text}')}"
        for p in call.parts
    ]
    if call.body:
        lines += [f"--header {_shell(f'Content-Type: {call.media}')}", f"--data-raw {_shell(call.body)}"]
    return " \\\n  ".join(lines)


def _field(name: str) -> str:
    """curl ends a name at its first =, and reads what follows as a file or an option."""
    return name.replace("=", "%3D")


def _shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def python(call: Call) -> str:
    headers = [f"{name!r}: {value!r}" for name, value in call.headers]
    if call.credential:
        c = call.credential
        secret = f'os.environ["{c.variable}"]'
        headers.insert(
            0, f'"{c.header}": ' + (f"f\"{c.prefix}{{os.environ['{c.variable}']}}\"" if c.prefix else secret)
        )
    arguments, as_json = [], bool(call.body) and is_json(call.media)
    if call.body and not (as_json and call.media == "application/json"):
        headers.append(f"'Content-Type': {call.media!r}")
    if headers:
        arguments.append("headers={" + ", ".join(headers) + "}")
    if call.body:
        value = pprint.pformat(json.loads(call.body), width=88, sort_dicts=False) if as_json else repr(call.body)
        arguments.append(f"json={_indented(value)}" if as_json else f"data={value}.encode()")
    if call.parts:
        arguments.append("files={" + ", ".join(map(_python_part, call.parts)) + "}")
    sent = "".join(f"    {argument},\n" for argument in [repr(call.method), repr(call.url), *arguments])
    imports = ("import os\n\n" if call.credential else "") + "import requests\n"
    return f"{imports}\nanswer = requests.request(\n{sent})\nprint(answer.status_code, answer.text)"


def _python_part(part: object) -> str:
    name, text, file = part.name, part.text, part.file  # type: ignore[attr-defined]
    return f"{name!r}: open({file!r}, 'rb')" if file else f"{name!r}: (None, {text!r})"


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")


def javascript(call: Call) -> str:
    headers = [f"{_js(name)}: {_js(value)}" for name, value in call.headers]
    if call.credential:
        c = call.credential
        headers.insert(0, f"{_js(c.header)}: `{c.prefix}${{process.env.{c.variable}}}`")
    before, options = "", [f"method: {_js(call.method)}"]
    if call.body:
        headers.append(f"{_js('Content-Type')}: {_js(call.media)}")
    if headers:
        options.append("headers: { " + ", ".join(headers) + " }")
    if call.body and is_json(call.media):
        value = json.dumps(json.loads(call.body), indent=2, ensure_ascii=False)
        options.append(f"body: JSON.stringify({value.replace(chr(10), chr(10) + '  ')})")
    elif call.body:
        options.append(f"body: {_js(call.body)}")
    if call.parts:
        before, options = _js_form(call), [*options, "body: form"]
    said = "".join(f"  {option},\n" for option in options)
    return (
        f"{before}const answer = await fetch({_js(call.url)}, {{\n{said}}});\n"
        "console.log(answer.status, await answer.text());"
    )


def _js_form(call: Call) -> str:
    lines = ["const form = new FormData();"]
    for p in call.parts:
        content = f'new Blob(["…"]), {_js(p.file)}' if p.file else _js(p.text)
        lines.append(f"form.append({_js(p.name)}, {content});")
    return "\n".join(lines) + "\n"


def _js(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


LANGUAGES: tuple[tuple[str, Callable[[Call], str]], ...] = (
    ("curl", curl),
    ("Python", python),
    ("JavaScript", javascript),
    ("Go", snippets_compiled.go),
    ("Java", snippets_compiled.java),
)
