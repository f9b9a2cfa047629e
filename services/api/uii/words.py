# SPDX-License-Identifier: Apache-2.0
"""Locales and keyboards as these clients spell them (en_US, en-US, de), in the spelling guests take. Pure."""

import re

DEFAULT_LOCALE, DEFAULT_KEYBOARD = "en_US.UTF-8", "us"
# Language, script, region, and what POSIX adds.
_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z]{4})?(?:[-_]([A-Za-z]{2}))?(?:\.(?:utf|UTF)-?8)?")
# A language alone stands for the region most of its speakers' machines are set to.
_REGIONS = {
    "cs": "CZ", "da": "DK", "de": "DE", "el": "GR", "en": "US", "es": "ES", "et": "EE", "fi": "FI", "fr": "FR",
    "he": "IL", "hu": "HU", "it": "IT", "ja": "JP", "ko": "KR", "nb": "NO", "nl": "NL", "pl": "PL", "pt": "PT",
    "ro": "RO", "ru": "RU", "sk": "SK", "sl": "SI", "sv": "SE", "tr": "TR", "uk": "UA", "zh": "CN",
}  # fmt: skip
# XKB names layouts by country; where several countries share one, or a country has another's.
_LAYOUTS = {
    "de": {"AT": "at", "CH": "ch", "": "de"},
    "en": {"GB": "gb", "IE": "ie", "ZA": "za", "": "us"},
    "es": {"ES": "es", "": "latam"},
    "fr": {"BE": "be", "CA": "ca", "CH": "ch", "": "fr"},
    "it": {"CH": "ch", "": "it"},
    "pt": {"BR": "br", "": "pt"},
}
_LAYOUT = re.compile(r"[a-z]{2,8}([-_][a-z0-9]{1,16}){0,2}")


def locale(text: str) -> str:
    """The UTF-8 locale that is meant; ValueError where none can be told."""
    if not text:
        return DEFAULT_LOCALE
    tag = _TAG.fullmatch(text)
    language = tag[1].lower() if tag else ""
    region = (tag[2] or "").upper() if tag else ""
    region = region or _REGIONS.get(language, "")
    if not region:
        raise ValueError(text)
    return f"{language}_{region}.UTF-8"


def keyboard(text: str) -> str:
    """The XKB layout that is meant: of a language tag, or the layout's own name; ValueError where it is neither."""
    if not text:
        return DEFAULT_KEYBOARD
    tag = _TAG.fullmatch(text)
    if tag is None:
        if _LAYOUT.fullmatch(text):
            return text
        raise ValueError(text)
    language, region = tag[1].lower(), (tag[2] or "").upper()
    if not region and language not in _REGIONS:
        return language  # us, gb, ch: no language, but a layout
    region = region or _REGIONS[language]
    shared = _LAYOUTS.get(language)
    return (shared.get(region) or shared[""]) if shared else region.lower()
