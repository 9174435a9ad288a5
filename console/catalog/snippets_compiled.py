"""Snippets in Go (net/http) and Java (java.net.http, Java 15 and later): whole files that compile as they are."""

from __future__ import annotations

import json

from .calls import Call, Part

BOUNDARY = "between-the-parts"


def go(call: Call) -> str:
    imports = ["fmt", "io", "net/http"]
    imports += ["os"] if call.credential or any(p.file for p in call.parts) else []
    imports += ["bytes", "mime/multipart"] if call.parts else ["strings"] if call.body else []
    lines = ["package main", "", "import (", *(f'\t"{name}"' for name in sorted(imports)), ")", "", "func main() {"]
    lines += _go_form(call.parts) if call.parts else []
    lines += [f"\tbody := strings.NewReader({_go_text(call.body)})"] if call.body else []
    body = "body" if call.body else "&form" if call.parts else "nil"
    lines += [f"\trequest, err := http.NewRequest({_quoted(call.method)}, {_quoted(call.url)}, {body})", *_GO_FAIL]
    if call.credential:
        c = call.credential
        prefix = f"{_quoted(c.prefix)}+" if c.prefix else ""
        lines.append(f'\trequest.Header.Set("{c.header}", {prefix}os.Getenv("{c.variable}"))')
    lines += [f"\trequest.Header.Set({_quoted(name)}, {_quoted(value)})" for name, value in call.headers]
    lines += [f'\trequest.Header.Set("Content-Type", {_quoted(call.media)})'] if call.body else []
    lines += ['\trequest.Header.Set("Content-Type", parts.FormDataContentType())'] if call.parts else []
    lines += ["\tanswer, err := http.DefaultClient.Do(request)", *_GO_FAIL, "\tdefer answer.Body.Close()"]
    lines += ["\ttext, err := io.ReadAll(answer.Body)", *_GO_FAIL, "\tfmt.Println(answer.Status, string(text))", "}"]
    return "\n".join(lines)


_GO_FAIL = ["\tif err != nil {", "\t\tpanic(err)", "\t}"]


def _go_form(parts: tuple[Part, ...]) -> list[str]:
    lines = ["\tvar form bytes.Buffer", "\tparts := multipart.NewWriter(&form)"]
    for i, part in enumerate(parts):
        if part.file:
            lines += [f"\tcontent{i}, err := os.ReadFile({_quoted(part.file)})", *_GO_FAIL]
            lines += [
                f"\tpart{i}, err := parts.CreateFormFile({_quoted(part.name)}, {_quoted(part.file)})",
                *_GO_FAIL,
                f"\tpart{i}.Write(content{i})",
            ]
        else:
            lines.append(f"\tparts.WriteField({_quoted(part.name)}, {_quoted(part.text)})")
    return [*lines, "\tparts.Close()"]


def _go_text(text: str) -> str:
    """Between backquotes, where no character has a second meaning, unless the text has one itself."""
    return _quoted(text) if set(text) & set("`\r\0\ufeff") else f"`{text}`"


def java(call: Call) -> str:
    body = f"HttpRequest.BodyPublishers.{_java_body(call)}"
    lines = [
        "import java.net.URI;",
        "import java.net.http.HttpClient;",
        "import java.net.http.HttpRequest;",
        "import java.net.http.HttpResponse;",
        *(["import java.nio.file.Files;", "import java.nio.file.Path;"] if any(p.file for p in call.parts) else []),
        "",
        "public class Call {",
        "    public static void main(String[] arguments) throws Exception {",
        f"        HttpRequest request = HttpRequest.newBuilder(URI.create({_quoted(call.url)}))",
    ]
    if call.credential:
        c = call.credential
        prefix = f"{_quoted(c.prefix)} + " if c.prefix else ""
        lines.append(f'            .header("{c.header}", {prefix}System.getenv("{c.variable}"))')
    lines += [f"            .header({_quoted(name)}, {_quoted(value)})" for name, value in call.headers]
    media = f"{call.media}; boundary={BOUNDARY}" if call.parts else call.media if call.body else ""
    lines += [f'            .header("Content-Type", {_quoted(media)})'] if media else []
    lines += [
        f"            .method({_quoted(call.method)}, {body})",
        "            .build();",
        "        HttpResponse<String> answer = HttpClient.newHttpClient()",
        "            .send(request, HttpResponse.BodyHandlers.ofString());",
        '        System.out.println(answer.statusCode() + " " + answer.body());',
        "    }",
        "}",
    ]
    return "\n".join(lines)


def _java_body(call: Call) -> str:
    if call.parts:
        text = [line for part in call.parts for line in _java_part(part)] + [_quoted(f"--{BOUNDARY}--\r\n")]
        return "ofString(" + "\n                + ".join(text) + ")"
    if not call.body:
        return "noBody()"
    lines = call.body.split("\n")
    said = [_quoted(line + ("\n" if i < len(lines) - 1 else "")) for i, line in enumerate(lines)]
    return "ofString(" + "\n                + ".join(said) + ")"


def _java_part(part: Part) -> list[str]:
    name = f'; filename="{part.file}"' if part.file else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{part.name}"{name}\r\n\r\n'
    content = f"Files.readString(Path.of({_quoted(part.file)}))" if part.file else _quoted(part.text)
    return [_quoted(head), content, _quoted("\r\n")]


def _quoted(text: str) -> str:
    """A string of either language: JSON's escapes are theirs, too, as long as no character becomes two."""
    return json.dumps(text, ensure_ascii=False)
