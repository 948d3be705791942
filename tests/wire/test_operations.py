"""The job operations: their fields, the published requests as they stand, bad input by path."""

import json

import msgspec
import pytest

from rbee.contracts.decode import decode_json
from rbee.contracts.hives import Heartbeat
from rbee.contracts.ids import LOCAL_HIVE_NAMES
from rbee.contracts.jobs import (
    OPERATION_NAMES,
    Infer,
    ModelDownload,
    ModelList,
    Status,
    WorkerProcessList,
    WorkerSpawn,
    decode_operation,
)
from rbee.errors import InvalidRequest
from wire.table import OPERATIONS, Operation

# The bodies of the published requests, byte for byte, and what each one means.
PUBLISHED: list[tuple[bytes, msgspec.Struct]] = [
    (b'{"operation": "status"}', Status()),
    (
        b'{ "operation": "infer", "model": "llama-3-8b", "prompt": "Hello!", "max_tokens": 50}',
        Infer(model="llama-3-8b", prompt="Hello!", max_tokens=50),
    ),
    (
        b'{"operation": "infer", "model": "llama-3-8b", "prompt": "Hello!"}',
        Infer(model="llama-3-8b", prompt="Hello!"),
    ),
    (
        b'{ "operation": "worker_spawn", "hive_id": "localhost", "model": "meta-llama/Llama-3.2-1B", "worker": "cpu", "device": 0}',
        WorkerSpawn(hive_id="localhost", model="meta-llama/Llama-3.2-1B", worker="cpu", device=0),
    ),
    (
        b'{"operation": "worker_spawn", "hive_id": "localhost", "model": "llama-3-8b"}',
        WorkerSpawn(hive_id="localhost", model="llama-3-8b"),
    ),
    (
        b'{ "operation": "worker_process_list", "hive_id": "localhost"}',
        WorkerProcessList(hive_id="localhost"),
    ),
    (
        b'{ "operation": "model_download", "hive_id": "localhost", "model": "meta-llama/Llama-3.2-1B"}',
        ModelDownload(hive_id="localhost", model="meta-llama/Llama-3.2-1B"),
    ),
    (b'{ "operation": "model_list", "hive_id": "localhost"}', ModelList(hive_id="localhost")),
]

# body → the path that the error must name
BAD: list[tuple[object, str]] = [
    ({}, "$.operation"),
    ({"operation": "dance"}, "$.operation"),
    ({"operation": 7}, "$.operation"),
    ({"operation": None}, "$.operation"),
    ({"operation": "infer"}, "$.model"),
    ({"operation": "infer", "model": "a"}, "$.prompt"),
    ({"operation": "infer", "model": "", "prompt": "x"}, "$.model"),
    ({"operation": "infer", "model": "a", "prompt": "  "}, "$.prompt"),
    ({"operation": "infer", "model": 1, "prompt": "x"}, "$.model"),
    ({"operation": "infer", "model": "a", "prompt": ["x"]}, "$.prompt"),
    ({"operation": "infer", "model": "a", "prompt": "x", "max_tokens": "9"}, "$.max_tokens"),
    ({"operation": "infer", "model": "a", "prompt": "x", "max_tokens": 0}, "$.max_tokens"),
    ({"operation": "infer", "model": "a", "prompt": "x", "max_tokens": -1}, "$.max_tokens"),
    ({"operation": "infer", "model": "a", "prompt": "x", "temperature": -0.1}, "$.temperature"),
    ({"operation": "infer", "model": "a", "prompt": "x", "top_p": 1.5}, "$.top_p"),
    ({"operation": "infer", "model": "a", "prompt": "x", "top_k": -2}, "$.top_k"),
    ({"operation": "infer", "model": "a", "prompt": "x", "stream": "yes"}, "$.stream"),
    ({"operation": "infer", "model": "a", "prompt": "x", "deadline_s": 0}, "$.deadline_s"),
    ({"operation": "worker_spawn"}, "$.model"),
    ({"operation": "worker_spawn", "model": "a", "device": {}}, "$.device"),
    ({"operation": "worker_spawn", "model": "a", "device": [0, "x"]}, "$.device[1]"),
    ({"operation": "worker_spawn", "model": "a", "slots": 0}, "$.slots"),
    ({"operation": "worker_spawn", "model": "a" * 600}, "$.model"),
    ({"operation": "worker_process_get"}, "$.worker_id"),
    ({"operation": "worker_process_get", "pid": "4242"}, "$.pid"),
    ({"operation": "worker_process_delete"}, "$.worker_id"),
    ({"operation": "model_download"}, "$.model"),
    ({"operation": "model_get"}, "$.model"),
    ({"operation": "model_delete", "id": ""}, "$.model"),
    ([], "$"),
    ("status", "$"),
    (None, "$"),
]

NOT_JSON = [b"", b"  \n", b"{", b"status", b'{"operation": "status"', b"\xff\xfe{}", b"a=b&c=d"]


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_fields_and_defaults_are_the_published_ones(row: Operation) -> None:
    fields = {field.encode_name: field for field in msgspec.structs.fields(row.type)}
    assert {name for name, field in fields.items() if field.required} == set(row.required)
    assert {name: fields[name].default for name in row.optional} == row.optional


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_the_tag_leads_to_the_type(row: Operation) -> None:
    named = {"pid": 1, "model": "m"}  # what get and delete need to know which one
    body = {"operation": row.name, **dict.fromkeys(row.required, "x"), **named}
    assert type(decode_operation(json.dumps(body).encode())) is row.type


def test_the_table_is_the_whole_list() -> None:
    assert tuple(row.name for row in OPERATIONS) == OPERATION_NAMES


@pytest.mark.parametrize(("body", "meaning"), PUBLISHED, ids=lambda value: str(value)[:40])
def test_a_published_request_as_it_stands(body: bytes, meaning: msgspec.Struct) -> None:
    assert decode_operation(body) == meaning


def test_localhost_names_the_local_hive() -> None:
    assert "localhost" in LOCAL_HIVE_NAMES


@pytest.mark.parametrize(("body", "path"), BAD, ids=lambda value: json.dumps(value)[:60])
def test_a_bad_field_is_named_by_its_path(body: object, path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_operation(json.dumps(body).encode())
    assert caught.value.param == path
    assert f"`{path}`" in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("body", NOT_JSON, ids=repr)
def test_what_is_not_json_says_so(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_operation(body)
    assert caught.value.param == "$"
    assert "Traceback" not in caught.value.message


def test_a_path_reaches_into_lists() -> None:
    beat = {
        "hive_id": "h",
        "hive_info": {"id": "h", "hostname": "h", "address": "a", "port": 1, "version": "1"},
        "node": {},
        "workers": [{"worker_id": "w"}],
        "timestamp": 1,
    }
    with pytest.raises(InvalidRequest) as caught:
        decode_json(json.dumps(beat).encode(), Heartbeat)
    assert caught.value.param == "$.workers[0].model"
