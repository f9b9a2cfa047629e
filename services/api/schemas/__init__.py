# SPDX-License-Identifier: Apache-2.0
"""The shapes of requests and answers: marshmallow schemas, which the OpenAPI document is generated from."""
