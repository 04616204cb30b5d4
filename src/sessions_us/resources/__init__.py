"""One module per noun of the API: typed methods without logic.

What holds for every method is said here and not repeated:

* **Ids** are opaque strings, percent-encoded in the path. One that can't stand in a path (empty, `.`, `..`, or with control
  characters) is a `ValueError` before anything is sent.
* **Fields** of the JSON body are optional keyword arguments, unless they are required; None is not sent. "(assumed)" marks a
  field or an answer that no source shows. A moment is an aware `datetime`, or a string of ISO 8601 with an offset; all else is
  a `ValueError` before anything is sent. Moments are sent in UTC. `time_zone` is an IANA name; a `ZoneInfo` is sent as its
  name.
* **`extra`** holds further fields of the JSON body by their wire names. They are merged last, as they are, and may be null.
  Where a method has no fields of its own, `extra` is the whole body, and none is known to be needed.
* **Updates** send the given fields by PUT. Whether the server keeps fields that are not sent is unknown: it may replace the
  whole object.
* **Lists of pages** return a `Pager`, which sends nothing until it is iterated. `page` is where to begin: a page number, or the
  `cursor` of an earlier Pager; None is the first page. With `verify_end`, a page with fewer rows than documented does not count
  as the end; that costs a request or two. `page` is a `ValueError` if it is neither. The order of rows is not promised.
* **Results**: a method that returns a model raises `DecodeError` if the answer has no object with an id. A method that returns
  `Model | None` returns None instead, and emits a `SchemaDrift` event unless the answer is empty. After a write, a `DecodeError`
  says that the write happened. A list that is awaited is empty for null.
* **Errors** are those of `sessions_us.errors`; a Pager raises them while it is iterated. Only GETs and `slots` are sent again
  after a failure that leaves open whether the server acted.
"""
