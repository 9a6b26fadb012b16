"""How we learn it: Scrapy spiders, one crawl one process one bundle. Never touches the database."""
