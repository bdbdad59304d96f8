"""Price lists of others: read, held against the book, shown, and entered beneath what people entered."""
