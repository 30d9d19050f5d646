"""Everything but the pages: settings, training, storage and the web parts that the pages share."""
