// Pushes log records with OpenTelemetry's own SDK. Standard input: {url, credential, form, count}.
import { readFileSync } from "node:fs";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { OTLPLogExporter as Json } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as Protobuf } from "@opentelemetry/exporter-logs-otlp-proto";

const said = JSON.parse(readFileSync(0, "utf8"));
const Exporter = said.form === "proto" ? Protobuf : Json;
const exporter = new Exporter({
  url: said.url,
  headers: { Authorization: `Bearer ${said.credential}` },
  compression: said.form === "proto" ? "gzip" : "none",
});
const provider = new LoggerProvider({ processors: [new BatchLogRecordProcessor({ exporter })] });
const logger = provider.getLogger("access");
for (let i = 0; i < said.count; i++) {
  logger.emit({
    timestamp: new Date(),
    body: "access",
    attributes: {
      "http.response.status_code": 200,
      "http.request.method": "GET",
      "url.path": `/node/${said.form}/${i}`,
      "http.server.request.duration": 0.012,
    },
  });
}
await provider.forceFlush();
await provider.shutdown();
