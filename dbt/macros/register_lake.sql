{#- Before anything else runs on Spark: the lake's Delta tables under the names the sources have. A view reads whatever
    version its table has, so making it again changes nothing; what is not there is an error that names its path. -#}
{% macro register_lake() %}
  {% if execute and target.type == 'spark' and var('lake', none) %}
    {% for source in graph.sources.values() if source.config.meta.get('delta') %}
      {% do run_query('create schema if not exists ' ~ source.schema) %}
      {% do run_query(
        'create or replace view ' ~ source.schema ~ '.' ~ source.identifier
        ~ ' as select * from delta.`' ~ var('lake') ~ '/' ~ source.config.meta['delta'] ~ '`'
      ) %}
    {% endfor %}
  {% endif %}
{% endmacro %}
