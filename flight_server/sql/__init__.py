"""SQL text: guarded, cut into statements, read into values. Nothing here touches data."""
