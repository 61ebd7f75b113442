"""Simulate a building: furnished rooms, scanned and photographed, written in the raw S3DIS layout."""

from pcseg.simulation.difficulty import Difficulty
from pcseg.simulation.rooms import Room, draw_room, room_names
from pcseg.simulation.writing import Settings, simulate_building, simulate_room

__all__ = ["Difficulty", "Room", "Settings", "draw_room", "room_names", "simulate_building", "simulate_room"]
