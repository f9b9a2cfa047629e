# SPDX-License-Identifier: Apache-2.0
"""Names on the broker and in Redis, in one place."""

AGENT_EXCHANGE = "agent.events"  # topic exchange; routing key host.<id>
AGENT_QUEUE = "agent.events"
OUTBOX_CHANNEL = "innkeeper:outbox"  # rows that whoever committed them leaves to the relay
BELL, COMMAND = "bell", "command"  # the kinds of an outbox row


def host_queue(host_id: str) -> str:
    """The queue a host's agent reads its commands from; also its routing key."""
    return f"host.{host_id}"


def job_channel(job_id: str) -> str:
    """Redis channel of one job's events and progress."""
    return f"innkeeper:job:{job_id}"


def project_channel(project_id: str) -> str:
    """Redis channel of one project's events."""
    return f"innkeeper:project:{project_id}"


def question_list(topic: str) -> str:
    """Redis list of the ids of questions on a topic; whoever answers takes from it (runtime.ask)."""
    return f"innkeeper:ask:{topic}"


def question_key(topic: str, question: str) -> str:
    """Redis key that holds a question as long as somebody waits for its answer."""
    return f"innkeeper:ask:{topic}:{question}"


def answer_list(topic: str, question: str) -> str:
    """Redis list that the answer to a question is put into."""
    return f"innkeeper:ask:{topic}:{question}:answer"
