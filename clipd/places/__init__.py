"""Where on earth: the country and the city of a position, and places by their names. Offline."""

from clipd.places.gazetteer import Place, country_name, find, place_at

__all__ = ["Place", "country_name", "find", "place_at"]
