# SPDX-License-Identifier: Apache-2.0
"""What a guest would be set up by, asked of a whole stack: the api asks the image builder over Redis."""

from typing import Any

import pytest

from tests.support.stack import Stack

pytestmark = pytest.mark.e2e
SECRET = "Correct-Horse-7391-Battery"


def asked(stack: Stack, **more: Any) -> Any:
    body = {"name": "web-1", "os": "debian-12", "flavor": "small", "networks": [{"network": "default"}], **more}
    return stack.http.post("/v1/images:preview", json=body)


def test_a_preview_has_every_file_and_leaves_nothing_behind(stack: Stack) -> None:
    static = {"network": "lab", "addresses": ["10.78.0.31/24"]}
    answer = asked(stack, networks=[{"network": "default"}, static])
    assert answer.status_code == 200, answer.text
    files = {file["path"]: file["text"] for file in answer.json()["files"]}
    assert set(files) == {"meta-data", "network-config", "user-data"}
    assert "10.78.0.31/24" in files["network-config"]
    assert stack.http.get("/v1/vms?name=web-1").json()["items"] == []


def test_secrets_are_masked(stack: Stack) -> None:
    users = [{"name": "ops", "password": SECRET}]
    answer = asked(stack, users=users, first_boot=f"#!/bin/sh\necho {SECRET}\n")
    assert answer.status_code == 200, answer.text
    assert SECRET not in answer.text
    assert "$6$" not in answer.text.replace("$6$masked$masked", "")


def test_what_is_wrong_is_named_by_field_as_for_a_vm(stack: Stack) -> None:
    answer = asked(stack, os="debain-12", networks=[{"network": "lab", "addresses": ["10.78.0.999/24"]}])
    assert answer.status_code == 422
    assert {"/os", "/networks/0/addresses/0"} <= {error["pointer"] for error in answer.json()["errors"]}
