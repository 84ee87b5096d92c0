"""Methods that make small faces large, side by side: how near, how true, how sharp, how fast, and who pays."""
