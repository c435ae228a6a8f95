"""Avro's own library (Java, in Spark's jars): `read FILE...` prints their records as JSON lines, `write CODECS FOLDER` makes a
file for each codec of what stands on stdin: a schema, and below it records in Avro's JSON encoding, one each line."""

import sys
from typing import Any

from pyspark.java_gateway import launch_gateway


def read(jvm: Any, path: str) -> None:
    reader = jvm.org.apache.avro.file.DataFileReader(
        jvm.java.io.File(path), jvm.org.apache.avro.generic.GenericDatumReader()
    )
    while reader.hasNext():
        print(reader.next().toString())


def write(jvm: Any, codec: str, path: str, lines: list[str]) -> None:
    schema = jvm.org.apache.avro.Schema.Parser().parse(lines[0])
    writer = jvm.org.apache.avro.file.DataFileWriter(jvm.org.apache.avro.generic.GenericDatumWriter(schema))
    writer.setCodec(jvm.org.apache.avro.file.CodecFactory.fromString(codec))
    writer.create(schema, jvm.java.io.File(path))
    datum = jvm.org.apache.avro.generic.GenericDatumReader(schema)
    for line in lines[1:]:
        decoder = jvm.org.apache.avro.io.DecoderFactory.get().jsonDecoder(schema, line)
        writer.append(datum.read(None, decoder))
    writer.close()


gateway = launch_gateway()
try:
    match sys.argv[1:]:
        case ["read", *paths]:
            for path in paths:
                read(gateway.jvm, path)
        case ["write", codecs, folder]:
            lines = sys.stdin.read().splitlines()
            for codec in codecs.split(","):
                write(gateway.jvm, codec, f"{folder}/{codec}.avro", lines)
finally:
    gateway.shutdown()
