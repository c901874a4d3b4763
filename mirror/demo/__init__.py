"""A RunSignup-like service on loopback, with drawn photos: for the demo, for trying every command, for tests."""

from mirror.demo.race import DemoPhoto, DemoRace, GeneratedRace
from mirror.demo.service import DemoService, Request

__all__ = ["DemoPhoto", "DemoRace", "DemoService", "GeneratedRace", "Request"]
