"""A row for each process, so that its mode can be seen and changed in the admin from the start."""

from django.db import migrations

ADD = """
INSERT INTO orders_modeshare (process, choreographed_percent)
VALUES ('place_order', 0), ('cancel_order', 0) ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0007_cancellation'),
    ]

    operations = [
        migrations.RunSQL(ADD, migrations.RunSQL.noop),
    ]
