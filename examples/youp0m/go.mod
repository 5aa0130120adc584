module youp0m

go 1.19
